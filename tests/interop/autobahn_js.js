// autobahn-js: URL (ws://…, rs://… or lp://… for long-poll), SERIALIZER, and what to do. Needs a
// global `WebSocket`.

"use strict";

const autobahn = require("autobahn");

const { authenticate } = require("./authentication/autobahn_js.js");
const { AutobahnJs } = require("./features/autobahn_js.js");
const { BURST, KWARGS, LARGE, OCTETS, REALM, VALUES } = require("./steps.js");
const { Queue, Skip, Steps, asBuffer, expect, fault, octets, untilStdinCloses } =
  require("./steps.js");

const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
const SERIALIZERS = { json: JSONSerializer, msgpack: MsgpackSerializer, cbor: CBORSerializer };

const [url, serializer, role = "check", ...names] = process.argv.slice(2);
const [name] = names;

// Its long-poll is written for browsers; this is as much of one as it needs.
globalThis.XMLHttpRequest = class {
  #headers = {};
  open(method, url) {
    Object.assign(this, { method, url, readyState: 1 });
  }
  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }
  async send(body) {
    const { method, url, timeout } = this;
    const signal = timeout ? AbortSignal.timeout(timeout) : undefined;
    try {
      const answer = await fetch(url, { method, headers: this.#headers, body, signal });
      this.responseText = await answer.text();
      Object.assign(this, { status: answer.status, statusText: answer.statusText });
    } catch (fault) {
      if (fault.name === "TimeoutError") return this.ontimeout?.();
      Object.assign(this, { status: 0, statusText: String(fault) });
    }
    this.readyState = 4;
    this.onreadystatechange?.();
  }
};

function transport() {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === "rs:") return { type: "rawsocket", host: hostname, port };
  if (protocol === "lp:") return { type: "longpoll", url: `http://${hostname}:${port}/lp` };
  return { type: "websocket", url, serializers: [new SERIALIZERS[serializer]()] };
}

/** A session; `leave_()` ends it, and `left` resolves with the router's reason however it ends. */
function join(realm = REALM) {
  return new Promise((resolve, reject) => {
    const connection = new autobahn.Connection({
      realm,
      transports: [transport()],
      max_retries: 0,
    });
    connection.onopen = (session) => {
      const { onleave } = session;
      session.left = new Promise((left) => {
        session.onleave = (reason, details) => {
          left(reason);
          onleave(reason, details);
        };
        connection.onclose = (reason, details) => left(details.reason);
      });
      session.leave_ = () => {
        connection.close();
        return session.left;
      };
      resolve(session);
    };
    connection.onclose = (reason, details) => {
      reject(new Error(`${reason}: ${details.reason} ${details.message}`));
      return true;
    };
    connection.open();
  });
}

const ACKNOWLEDGED = { acknowledge: true };
const echo = (args, kwargs) => new autobahn.Result(args, kwargs);
const fail = (args) => {
  throw new autobahn.Error("interop.error.failed", args);
};

/** Arguments and keywords of a result, which is bare if it is one value alone. */
const both = (result) =>
  result instanceof autobahn.Result ? [result.args, result.kwargs] : [[result], {}];

async function check(steps) {
  let a, b, subscription, registration;
  const events = new Queue();
  const heard = (args, kwargs) => events.push([args ?? [], kwargs ?? {}]);

  await steps.run("join", async () => {
    a = await join();
    b = await join();
  });

  await steps.run("subscribe", async () => {
    subscription = await a.subscribe("interop.topic", heard);
  });
  await steps.run("publish", async () => {
    const publication = await b.publish("interop.topic", VALUES, KWARGS, ACKNOWLEDGED);
    if (!(publication.id > 0)) throw new Error(`publication ${publication.id}`);
    expect(await events.next(), [VALUES, KWARGS], "the event");
  });
  await steps.run("publish_order", async () => {
    if (url.startsWith("lp:")) throw new Skip("its requests overtake each other");
    for (let number = 0; number < BURST; number++) b.publish("interop.topic", [number]);
    for (let number = 0; number < BURST; number++) {
      expect(await events.next(), [[number], {}], "the event");
    }
  });
  await steps.run("publish_exclusion", async () => {
    await a.publish("interop.topic", [1], {}, ACKNOWLEDGED);
    await events.silence();
    await a.publish("interop.topic", [2], {}, { acknowledge: true, exclude_me: false });
    expect(await events.next(), [[2], {}], "the event");
  });
  await steps.run("publish_eligible", async () => {
    await b.publish("interop.topic", [1], {}, { acknowledge: true, eligible: [b.id] });
    await events.silence();
    await b.publish("interop.topic", [2], {}, { acknowledge: true, eligible: [a.id] });
    expect(await events.next(), [[2], {}], "the event");
  });
  await steps.run("unsubscribe", async () => {
    await subscription.unsubscribe();
    await b.publish("interop.topic", [1], {}, ACKNOWLEDGED);
    await events.silence();
  });
  await steps.run("subscribe_pattern", async () => {
    const matched = (args, kwargs, details) => events.push([details.topic, args[0]]);
    for (const [match, pattern, topic] of [
      ["prefix", "interop.pre", "interop.prefix.x"],
      ["wildcard", "interop..wild", "interop.very.wild"],
    ]) {
      const matching = await a.subscribe(pattern, matched, { match });
      await b.publish(topic, [match], {}, ACKNOWLEDGED);
      expect(await events.next(), [topic, match], "the event");
      await matching.unsubscribe();
    }
  });

  await steps.run("register", async () => {
    registration = await a.register("interop.echo", echo);
    await a.register("interop.fail", fail);
    await a.register("interop.progress", (args, kwargs, details) => {
      for (let number = 0; number < args[0]; number++) details.progress?.([number]);
      return "done";
    });
  });
  await steps.run("register_twice", async () => {
    const error = await fault(b.register("interop.echo", echo));
    expect(error.error, "wamp.error.procedure_already_exists", "the error");
  });
  await steps.run("call", async () => {
    expect(both(await b.call("interop.echo", VALUES, KWARGS)), [VALUES, KWARGS], "the result");
  });
  await steps.run("call_order", async () => {
    const calls = Array.from({ length: BURST }, (_, number) => b.call("interop.echo", [number]));
    const numbers = Array.from({ length: BURST }, (_, number) => number);
    expect(await Promise.all(calls), numbers, "the results");
  });
  await steps.run("call_progress", async () => {
    const seen = [];
    const call = b.call("interop.progress", [3], {}, { receive_progress: true });
    expect(await call.then(null, null, (value) => seen.push(value)), "done", "the result");
    // As a callee it does not announce that it can be stopped, so it must not be asked for any.
    expect(seen, [], "the progress");
  });
  await steps.run("application_error", async () => {
    const error = await fault(b.call("interop.fail", [1, "two"]));
    expect(error.error, "interop.error.failed", "the error");
    expect(error.args, [1, "two"], "its arguments");
  });
  await steps.run("no_such_procedure", async () => {
    const error = await fault(b.call("interop.nobody.registered.this"));
    expect(error.error, "wamp.error.no_such_procedure", "the error");
  });
  await steps.run("large", async () => {
    const text = "x".repeat(LARGE);
    expect(await b.call("interop.echo", [text]), text, "the result");
  });
  await steps.run("binary", async () => {
    const value = octets(serializer, OCTETS);
    expect(asBuffer(await b.call("interop.echo", [value])), value, "the result");
  });
  await steps.run("cancel", async () => {
    let started;
    const running = new Promise((resolve) => (started = resolve));
    await a.register("interop.hang", () => {
      started();
      return new Promise(() => {});
    });
    const call = b.call("interop.hang");
    await running;
    // As a callee this client knows no INTERRUPT: the caller must be answered all the same.
    call.cancel({ mode: "kill" });
    expect((await fault(call)).error, "wamp.error.canceled", "the error");
    expect(await b.call("interop.echo", [1]), 1, "the result");
  });
  await steps.run("unregister", async () => {
    await registration.unregister();
    const error = await fault(b.call("interop.echo"));
    expect(error.error, "wamp.error.no_such_procedure", "the error");
  });
  await steps.run("leave", async () => {
    for (const session of [a, b]) {
      expect(await session.leave_(), "wamp.close.goodbye_and_out", "the reason");
    }
  });
}

async function serve() {
  const session = await join();
  await session.register(`interop.${name}.echo`, echo);
  await session.register(`interop.${name}.fail`, fail);
  await session.subscribe(`interop.${name}.said`, (args, kwargs) => {
    session.publish(`interop.${name}.heard`, args, kwargs);
  });
  console.log("ready");
  await untilStdinCloses();
  await session.leave_();
}

async function call(steps) {
  let session;
  await steps.run("join", async () => {
    session = await join();
  });
  await steps.run("call", async () => {
    const result = await session.call(`interop.${name}.echo`, VALUES, KWARGS);
    expect(both(result), [VALUES, KWARGS], "the result");
  });
  await steps.run("binary", async () => {
    const value = octets(serializer, OCTETS);
    const result = await session.call(`interop.${name}.echo`, [value]);
    expect(asBuffer(result), value, "the result");
  });
  await steps.run("application_error", async () => {
    const error = await fault(session.call(`interop.${name}.fail`, [1, "two"]));
    expect(error.error, "interop.error.failed", "the error");
    expect(error.args, [1, "two"], "its arguments");
  });
  await steps.run("publish", async () => {
    const events = new Queue();
    const heard = (args, kwargs) => events.push([args, kwargs]);
    await session.subscribe(`interop.${name}.heard`, heard);
    session.publish(`interop.${name}.said`, VALUES, KWARGS);
    expect(await events.next(), [VALUES, KWARGS], "the event");
  });
  await session.leave_();
}

const steps = new Steps();
const features = (steps) => new AutobahnJs(join).run(steps, names);
const roles = {
  check, serve, call, features,
  authenticate: (steps) => authenticate(transport, REALM, name, steps),
};
roles[role](steps).then(
  () => steps.finish(),
  (fault) => {
    console.log("FAIL", role, fault);
    process.exit(1);
  },
);
