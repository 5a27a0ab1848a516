export { type ControlAnswer, tellGateways } from './control-socket.ts';
export { type KillEntry, type KillKind, nameOfEntry } from './kill-entry.ts';
export { inForce } from './orders.ts';
