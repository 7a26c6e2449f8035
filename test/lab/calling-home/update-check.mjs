// Asks for a newer version over plain HTTP when it starts, with the fetch of Node.
if (process.env.NO_UPDATE_NOTIFIER !== '1')
  await fetch('http://registry.npmjs.org/tiny-chat/latest?from=1.0.0').catch(() => undefined);
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 1000);
