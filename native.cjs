'use strict';

// Loads the compiled addon. It never throws, so that the package can be imported (its types used,
// its help printed) on a machine where the addon is missing: lib/ throws `error` on first use.

const path = require('node:path');

const explicit = process.env.TRUSTREGION_ADDON;

function load() {
  return explicit ? require(path.resolve(explicit)) : require('node-gyp-build')(__dirname);
}

function describe(cause) {
  const tried = explicit
    ? `${path.resolve(explicit)} (named by the environment variable TRUSTREGION_ADDON)`
    : `${path.join(__dirname, 'build')} and ${path.join(__dirname, 'prebuilds')}`;
  const remedy = explicit
    ? 'Unset TRUSTREGION_ADDON or point it at a compiled addon.'
    : 'To compile the addon (this takes a C++20 compiler, make and Python 3), run ' +
      '`npm rebuild trustregion`, or `npm run build:native` in a clone of the repository.';
  return new Error(
    `The native addon of trustregion could not be loaded. Tried: ${tried}. ` +
      `Reason: ${cause.message.split('\n', 1)[0]}. ${remedy}`,
    { cause },
  );
}

try {
  module.exports = { addon: load(), error: undefined, root: __dirname };
} catch (cause) {
  module.exports = { addon: undefined, error: describe(cause), root: __dirname };
}
