'use strict';

// Compiles the addon with node-gyp; with --if-needed (npm's install script) only if there is none that
// loads. In a clone of the repository .npmrc makes npm silent, and node-gyp would follow it; why a
// compilation failed must be seen all the same.

process.env.npm_config_loglevel = 'error';
process.env.npm_config_jobs ??= 'max';
if (process.argv[2] !== '--if-needed') process.env.npm_config_build_from_source = 'true';
process.argv.length = 2; // to node-gyp-build an argument is a command to run first

require('node-gyp-build/bin.js');
