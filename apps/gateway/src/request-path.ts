import type { Arrived, Call, Received } from './call.ts';
import { admitAddress, admitCaller, awaitTurn } from './steps/admit.ts';
import { authenticate } from './steps/authenticate.ts';
import { checkKillSwitch } from './steps/check-kill-switch.ts';
import { checkQueryBounds } from './steps/check-query.ts';
import { readBody } from './steps/read-body.ts';
import { decideByPolicy } from './steps/decide.ts';
import { findOperation } from './steps/find-operation.ts';
import { limitByAddress, limitBySubject } from './steps/limit-rate.ts';
import { Pipeline } from './steps/pipeline.ts';
import { pickKey } from './steps/pick-key.ts';
import { readHead } from './steps/read-head.ts';
import { readTarget } from './steps/read-target.ts';
import { refuseBodyOnGet } from './steps/refuse-body-on-get.ts';
import { startUpload } from './steps/start-upload.ts';
import { writeDecision } from './steps/write-decision.ts';

/*
 * The life of a call.
 *
 * A call is named (`edge/listener.ts`) before anything else, so that every answer and every row carries its id.
 * Then these steps run in this order, and the first that refuses ends the call: `finish/finish-call.ts` records the
 * refusal and answers it. What a call has got to is its type (`call.ts`): received, arrived, authenticated, matched to an
 * operation, authorized, decided.
 */

/** For everything that reaches the listener, the gateway's own pages included. */
export const ARRIVAL = Pipeline.of<Received>()
  .check(awaitTurn)
  .check(limitByAddress)
  .check(readHead)
  .step(readTarget); // Arrived

/** For what Node's parser could not read, upgraded or tunnelled: it counts for its address all the same. */
export const UNREAD = Pipeline.of<Call>().check(awaitTurn).check(limitByAddress);

/** Who calls. */
export const AUTHENTICATION = Pipeline.of<Arrived>()
  .check(admitAddress)
  .step(authenticate) // Authenticated
  .check(admitCaller)
  .check(limitBySubject);

/** For everything that is not one of the gateway's own pages. */
export const DECISION = AUTHENTICATION.step(findOperation) // Matched
  .step(decideByPolicy) // Authorized
  .check(checkQueryBounds)
  .check(refuseBodyOnGet)
  .check(readBody)
  .check(pickKey)
  .check(checkKillSwitch)
  .step(writeDecision) // Decided
  .check(startUpload);

/** For the gateway's own pages. */
export const SYSTEM_PAGE = Pipeline.of<Arrived>().check(refuseBodyOnGet);

/*
 * Once the decision is committed, @fastify/http-proxy forwards the call (`upstream/http-proxy.ts`) through
 * `upstream/dispatcher.ts`, which puts the key in last, beneath every hook and log, and streams both ways.
 * `finish/finish-call.ts` writes the outcome when both sides are done: upstream answered or failed, caller served or gone.
 */
