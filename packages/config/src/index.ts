export {
  type Environment,
  number,
  type NumberSetting,
  type Numbers,
  readNumbers,
} from './number-settings.ts';
