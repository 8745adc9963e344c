// wampy.js over the `ws` package: URL, SERIALIZER, and what to do.

"use strict";

const { Wampy } = require("wampy");
const { CborSerializer } = require("wampy/CborSerializer.js");
const { JsonSerializer } = require("wampy/JsonSerializer.js");
const { MsgpackSerializer } = require("wampy/MsgpackSerializer.js");
const { WebSocket } = require("ws");

const { authenticate } = require("./authentication/wampy_js.js");
const { WampyJs } = require("./features/wampy_js.js");
const { BURST, KWARGS, LARGE, OCTETS, REALM, VALUES } = require("./steps.js");
const { Queue, Steps, asBuffer, expect, fault, octets, untilStdinCloses } =
  require("./steps.js");

const SERIALIZERS = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };

const [url, serializer, role = "check", ...names] = process.argv.slice(2);
const [name] = names;

/** A session; its `left` resolves when its connection is closed. */
async function join(realm = REALM, options = {}) {
  const made = Object.entries(SERIALIZERS).map(([key, Serializer]) => [key, new Serializer()]);
  const payloadSerializers = Object.fromEntries(made);
  const session = new Wampy(url, {
    realm,
    ws: WebSocket,
    serializer: new SERIALIZERS[serializer](),
    payloadSerializers,
    autoReconnect: false,
    ...options,
  });
  session.left = new Promise((onClose) => session.setOptions({ onClose }));
  session.welcome = await session.connect();
  return session;
}

const both = ({ argsList, argsDict }) => ({ argsList, argsDict });
// In CBOR it writes the octets that it reads with a tag that other clients do not know.
const echo = ({ argsList, argsDict }) => ({ argsList: argsList?.map(asBuffer), argsDict });
const fail = ({ argsList }) => {
  throw { error: "interop.error.failed", argsList };
};

async function check(steps) {
  let a, b, key;
  const events = new Queue();
  const heard = ({ argsList, argsDict }) => events.push([argsList, argsDict]);

  await steps.run("join", async () => {
    a = await join();
    b = await join();
  });

  await steps.run("subscribe", async () => {
    key = (await a.subscribe("interop.topic", heard)).subscriptionKey;
  });
  const everything = { argsList: VALUES, argsDict: KWARGS };
  await steps.run("publish", async () => {
    const { publicationId } = await b.publish("interop.topic", everything);
    if (!(publicationId > 0)) throw new Error(`publication ${publicationId}`);
    expect(await events.next(), [VALUES, KWARGS], "the event");
  });
  await steps.run("publish_order", async () => {
    for (let number = 0; number < BURST; number++) b.publish("interop.topic", [number]);
    for (let number = 0; number < BURST; number++) {
      expect((await events.next())[0], [number], "the event");
    }
  });
  await steps.run("publish_exclusion", async () => {
    await a.publish("interop.topic", [1]);
    await events.silence();
    // `exclude_me: false` is an option that this client never sends.
  });
  await steps.run("publish_eligible", async () => {
    // In MessagePack this client reads large ids as `BigInt`, but wants to be given a `Number`.
    await b.publish("interop.topic", [1], { eligible: Number(b.getSessionId()) });
    await events.silence();
    await b.publish("interop.topic", [2], { eligible: Number(a.getSessionId()) });
    expect((await events.next())[0], [2], "the event");
  });
  await steps.run("unsubscribe", async () => {
    await a.unsubscribe(key);
    await b.publish("interop.topic", [1]);
    await events.silence();
  });
  await steps.run("subscribe_pattern", async () => {
    const matched = ({ details, argsList }) => events.push([details.topic, argsList[0]]);
    for (const [match, pattern, topic] of [
      ["prefix", "interop.pre", "interop.prefix.x"],
      ["wildcard", "interop..wild", "interop.very.wild"],
    ]) {
      await a.subscribe(pattern, matched, { match });
      await b.publish(topic, [match]);
      expect(await events.next(), [topic, match], "the event");
    }
    // Unsubscribing from a pattern makes this client throw; leaving ends it as well.
  });

  await steps.run("register", async () => {
    await a.register("interop.echo", echo);
    await a.register("interop.fail", fail);
    await a.register("interop.progress", ({ argsList, result_handler }) => {
      for (let number = 0; number < argsList[0]; number++) {
        result_handler({ argsList: [number], options: { progress: true } });
      }
      return { argsList: ["done"] };
    });
  });
  await steps.run("register_twice", async () => {
    const error = await fault(b.register("interop.echo", echo));
    expect(error.errorUri, "wamp.error.procedure_already_exists", "the error");
  });
  await steps.run("call", async () => {
    expect(both(await b.call("interop.echo", everything)), everything, "the result");
  });
  await steps.run("call_order", async () => {
    const calls = Array.from({ length: BURST }, (_, number) => b.call("interop.echo", [number]));
    const numbers = Array.from({ length: BURST }, (_, number) => number);
    const results = (await Promise.all(calls)).map(({ argsList }) => argsList[0]);
    expect(results, numbers, "the results");
  });
  await steps.run("call_progress", async () => {
    const seen = [];
    const progress_callback = ({ argsList }) => seen.push(argsList[0]);
    const result = await b.call("interop.progress", [3], { progress_callback });
    expect(result.argsList, ["done"], "the result");
    expect(seen, [0, 1, 2], "the progress");
  });
  await steps.run("application_error", async () => {
    const error = await fault(b.call("interop.fail", [1, "two"]));
    expect(error.errorUri, "interop.error.failed", "the error");
    expect(error.argsList, [1, "two"], "its arguments");
  });
  await steps.run("no_such_procedure", async () => {
    const error = await fault(b.call("interop.nobody.registered.this"));
    expect(error.errorUri, "wamp.error.no_such_procedure", "the error");
  });
  await steps.run("large", async () => {
    const text = "x".repeat(LARGE);
    expect((await b.call("interop.echo", [text])).argsList, [text], "the result");
  });
  await steps.run("binary", async () => {
    const value = octets(serializer, OCTETS);
    const { argsList } = await b.call("interop.echo", [value]);
    expect(asBuffer(argsList[0]), value, "the result");
  });
  await steps.run("cancel", async () => {
    let started;
    const running = new Promise((resolve) => (started = resolve));
    await a.register("interop.hang", () => {
      started();
      return new Promise(() => {});
    });
    const call = b.call("interop.hang");
    const { reqId } = b.getOpStatus();
    await running;
    const failed = fault(call);
    b.cancel(reqId, { mode: "skip" });
    expect((await failed).errorUri, "wamp.error.canceled", "the error");
    expect((await b.call("interop.echo", [1])).argsList, [1], "the result");
  });
  await steps.run("unregister", async () => {
    await a.unregister("interop.echo");
    const error = await fault(b.call("interop.echo"));
    expect(error.errorUri, "wamp.error.no_such_procedure", "the error");
  });
  await steps.run("leave", async () => {
    for (const session of [a, b]) await session.disconnect();
  });
}

async function serve() {
  const session = await join();
  await session.register(`interop.${name}.echo`, echo);
  await session.register(`interop.${name}.fail`, fail);
  await session.subscribe(`interop.${name}.said`, (event) => {
    session.publish(`interop.${name}.heard`, both(event));
  });
  console.log("ready");
  await untilStdinCloses();
  await session.disconnect();
}

async function call(steps) {
  let session;
  await steps.run("join", async () => {
    session = await join();
  });
  const everything = { argsList: VALUES, argsDict: KWARGS };
  await steps.run("call", async () => {
    const result = await session.call(`interop.${name}.echo`, everything);
    expect(both(result), everything, "the result");
  });
  await steps.run("binary", async () => {
    const value = octets(serializer, OCTETS);
    const { argsList } = await session.call(`interop.${name}.echo`, [value]);
    expect(asBuffer(argsList[0]), value, "the result");
  });
  await steps.run("application_error", async () => {
    const error = await fault(session.call(`interop.${name}.fail`, [1, "two"]));
    expect(error.errorUri, "interop.error.failed", "the error");
    expect(error.argsList, [1, "two"], "its arguments");
  });
  await steps.run("publish", async () => {
    const events = new Queue();
    await session.subscribe(`interop.${name}.heard`, (event) => events.push(both(event)));
    await session.publish(`interop.${name}.said`, everything);
    expect(await events.next(), everything, "the event");
  });
  await session.disconnect();
}

const steps = new Steps();
const features = (steps) => new WampyJs(join, serializer).run(steps, names);
const roles = {
  check, serve, call, features,
  authenticate: (steps) => authenticate(join, REALM, name, steps),
};
roles[role](steps).then(
  () => steps.finish(),
  (fault) => {
    console.log("FAIL", role, fault);
    process.exit(1);
  },
);
