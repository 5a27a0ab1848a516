export { ExactFinder } from './exact.ts';
export type { Finding } from './finding.ts';
export {
  GitError,
  gitHistory,
  gitIndex,
  hookFolder,
  ignoredByGit,
  introducedBy,
  MissingObjectsError,
} from './git.ts';
export { RULES } from './rules.ts';
export { sarifOf } from './sarif.ts';
export { scan } from './scan.ts';
export { filesBelow, NoFileError } from './tree.ts';
export type { Source } from './source.ts';
