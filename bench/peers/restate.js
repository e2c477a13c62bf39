/** Restate: a workflow whose steps are in the server's log; a callback resolves the durable promise it waits for. */
import { createServer } from 'node:http2';
import { createEndpointHandler, workflow } from '@restatedev/restate-sdk';
import { dispatch, ENGINE_URL, post, save, serve, wake } from './job.js';

// The SDK is written for Node 22.
Promise.withResolvers ??= function withResolvers() {
  let [resolve, reject] = [];
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};

const task = workflow({
  name: 'task',
  handlers: {
    async run(context) {
      const task_id = context.key;
      await context.run('dispatch', async () => await dispatch(task_id));
      const callback = await context.promise('callback');
      await context.run('save', async () => await save(task_id, callback));
      await context.run('wake', async () => await wake(task_id));
    },
    // Resolving it again has no effect.
    callback: async (context, callback) => await context.promise('callback').resolve(callback),
  },
});

const { RESTATE_ADMIN_URL, RESTATE_SERVICE_PORT: port } = process.env;
const services = createServer(createEndpointHandler({ services: [task] }));
await new Promise((resolve) => services.listen(Number(port), '127.0.0.1', resolve));
await post(`${RESTATE_ADMIN_URL}/deployments`, undefined, { uri: `http://127.0.0.1:${port}` });
await serve({
  // 202 once it is in the log. The workflow id deduplicates repeats.
  start: async (task_id) => await post(`${ENGINE_URL}/task/${task_id}/run/send`, undefined, {}),
  accept: async (task_id, callback) => await post(`${ENGINE_URL}/task/${task_id}/callback/send`, undefined, callback),
});
