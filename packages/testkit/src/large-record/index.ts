export { COMMON_QUESTIONS, exampleCall } from './common-questions.ts';
export { fillMonth } from './large-record.ts';
export { scanned, watched } from './plans.ts';
