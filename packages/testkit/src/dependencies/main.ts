import { writeFileSync } from 'node:fs';
import { dependenciesPage, PAGE } from './table.ts';

writeFileSync(PAGE, dependenciesPage());
