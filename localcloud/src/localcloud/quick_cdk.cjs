// Loaded into the CDK command: it looks every five seconds whether a stack is done, which AWS takes
// minutes for, and the local cloud mostly less than one. There is no option for it.
"use strict";

const original = globalThis.setTimeout;

function quick(work, delay, ...rest) {
  const polls = delay === 5000 && /\bwaitFor\b/.test(new Error().stack);
  return original(work, polls ? 250 : delay, ...rest);
}

// util.promisify reads a property of it.
globalThis.setTimeout = Object.defineProperties(quick, Object.getOwnPropertyDescriptors(original));
