export { ControlError } from './control-socket.ts';
export { type KillSwitch, openKillSwitch } from './kill-switch.ts';
export { OrderFileError } from './order-file.ts';
export { openOrderStore, type OrderStore } from './order-store.ts';
