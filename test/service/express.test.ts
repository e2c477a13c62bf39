/** Express changes the prototype of a request, which costs more than all of Node's own work for it, unless it has the right one. */
import { createServer } from 'node:http';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { createApp } from '../../src/service/express.ts';
import { serve } from '../support/resources.ts';

const prototypesOf = (...objects: object[]): unknown[] => objects.map((object) => Object.getPrototypeOf(object));

it('a server with the classes of an app makes requests and responses that express does not change', async () => {
  const app = createApp();
  let made: unknown[] = [];
  app.get('/', (incoming, response) => {
    const isUnchanged = prototypesOf(incoming, response).every((prototype, n) => prototype === made[n]);
    response.json({ isUnchanged, name: incoming.get('x-name'), app: incoming.app === app && response.app === app });
  });
  const server = createServer(app.classes, (incoming, response) => {
    made = prototypesOf(incoming, response);
    app(incoming, response);
  });
  const { body } = await request(await serve(server), { headers: { 'x-name': 'yes' } });
  expect(await body.json()).toEqual({ isUnchanged: true, name: 'yes', app: true });
});
