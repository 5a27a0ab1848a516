export { AnswerReader, type ReadAnswer, readAnswer } from './answer.ts';
export { CatalogueError, checkCatalogue } from './catalogue/check.ts';
export { OPERATIONS } from './catalogue/all.ts';
export { buildRouter, type Route, type Router } from './catalogue/router.ts';
export { type PricedOutcome, priceOf, pricedFields, type RequestFields } from './price.ts';
export { promptOf, recordedFields } from './recorded-fields.ts';
