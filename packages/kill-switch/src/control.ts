export { type ControlAnswer, tellGateways } from './control-socket.ts';
export { type Kill, type KillKind, nameOfKill } from './kill.ts';
export { activeKills } from './kills.ts';
