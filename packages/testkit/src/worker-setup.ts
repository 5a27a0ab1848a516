import { refuseOtherMachines } from './loopback.ts';
import { forgetShell } from './shell.ts';

// Runs in every worker before its tests.
forgetShell();
refuseOtherMachines();
