export { COMMON_QUESTIONS, exampleCall } from './common-questions.ts';
export { fillMonth } from './large-record.ts';
export { planOf, watched } from './plans.ts';
