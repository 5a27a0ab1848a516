/*
 * The one place where the command takes an app in: `start` runs the product in its own process, so that a signal, an exit
 * code and a line of output have one process between them and whoever gave the command; doctor reads the settings as that
 * start does.
 */
export { type ProductConfig, readProductConfig, startProduct, probeUpstream } from '@ideogate/standalone';
