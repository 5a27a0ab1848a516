export { ControlError } from './control-socket.ts';
export { type KillSwitch, openKillSwitch } from './kill-switch.ts';
export { KillFileError } from './kill-file.ts';
export { openKillStore, type KillStore } from './kill-store.ts';
