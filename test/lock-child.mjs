// Locks the folders it is told, and says what came of it. It keeps them.

import { lockRun } from '../dist/esm/cli/run-lock.js';

process.on('message', (folder) => {
  lockRun(folder).then(
    () => process.send('locked'),
    ({ code }) => process.send(code),
  );
});
process.send('ready');
