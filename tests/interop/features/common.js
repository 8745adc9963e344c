// Every advanced feature, as any JavaScript client with an adapter can show it.
//
// A client's own file derives from `Features` and replaces what is particular to it. A feature that
// it lacks throws `Skip`, one that it has in part `Part`, each after what can be shown was shown.
//
// An adapter is a session of the client behind a few names that all clients share:
//
//     id                                            its session id, a number
//     await call(procedure, args, kwargs, options)  the arguments of the result, or `Refused`
//     await register(procedure, handler, options)   the registration's id, or `Refused`
//     await subscribe(topic, options)               a `Subscribed`
//     await publish(topic, args, options)           as soon as the router has acknowledged it
//     await leave()
//     await left                                    why the router ended it, if it is told
//     revoked                                       a `Queue` of what was taken away from it
//
// A handler is given `{ args, kwargs, details, progress }` and returns a list of arguments.

"use strict";

const { Queue, REALM, Skip, expect, plain, sleep } = require("../steps.js");

// Long enough that the call is on its way, short enough to be waited for.
const TIMEOUT_MS = 200;

// What the router's configuration trusts callers and publishers with here.
const TRUSTED = "features.trusted";
const TRUST_LEVEL = 3;

// What the router's configuration keeps a history of here.
const HISTORY = "features.history";

const PATTERNS = [
  ["prefix", "features.pre", "features.prefix.x"],
  ["wildcard", "features..wild", "features.very.wild"],
];

/** The router or a callee answered with ERROR. */
class Refused extends Error {
  constructor(uri, args) {
    super(uri);
    Object.assign(this, { uri, args: args ?? [] });
  }
}

/** What comes of a subscription: `{ args, kwargs, details }` each. */
class Subscribed {
  constructor(id, events) {
    Object.assign(this, { id: Number(id), events });
  }

  next() {
    return this.events.next();
  }

  /** The next that begins with `args`. Others may come of what went on before. */
  async find(...args) {
    for (;;) {
      const heard = await this.next();
      const begin = plain(heard.args).slice(0, args.length);
      if (args.every((argument, index) => argument === begin[index])) return heard;
    }
  }

  async expect(...args) {
    const heard = await this.next();
    expect(heard.args, args, "the event");
    return heard;
  }
}

async function refused(pending, uri) {
  try {
    await pending;
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    return expect(fault.uri, uri, "the error");
  }
  throw new Error(`no ${uri}`);
}

const echo = ({ args }) => args;

/** A procedure that waits until it is let go. */
class Gate {
  entered = new Queue();
  #opened = new Promise((resolve) => (this.open = resolve));

  enter = async (invocation) => {
    this.entered.push(invocation);
    await this.#opened;
    return invocation.args;
  };
}

/** A method for each feature, by its name. They have two sessions, and join more as needed. */
class Features {
  constructor(join) {
    this.join = join;
  }

  async run(steps, keys) {
    await steps.run("join", async () => {
      // What `a` serves `b` uses.
      [this.a, this.b] = [await this.join(REALM), await this.join(REALM)];
    });
    for (const key of keys) await steps.run(key, async () => this[key]());
  }

  // Remote procedure calls

  async progressive_call_results() {
    await this.a.register("features.count", ({ args: [count], progress }) => {
      for (let number = 0; number < count; number++) progress([number]);
      return ["done"];
    });
    const seen = [];
    const on_progress = (args) => seen.push(args[0]);
    const result = await this.b.call("features.count", [3], {}, { on_progress });
    expect(result, ["done"], "the result");
    expect(seen, [0, 1, 2], "the progress");
  }

  async call_timeout() {
    const gate = new Gate();
    await this.a.register("features.slow", gate.enter);
    const slow = this.b.call("features.slow", [1], {}, { timeout: TIMEOUT_MS });
    await refused(slow, "wamp.error.timeout");
    gate.open();
    // An answer that comes too late harms nobody.
    expect(await this.b.call("features.slow", [2]), [2], "the result");
  }

  async call_reroute() {
    const unavailable = () => {
      throw new Refused("wamp.error.unavailable");
    };
    for (const session of [this.a, this.b]) {
      await session.register("features.reroute", unavailable, { invoke: "roundrobin" });
    }
    await refused(this.b.call("features.reroute"), "wamp.error.unavailable");
    throw new Skip("as a callee it does not announce it, so its errors are its caller's");
  }

  async caller_identification() {
    await this.a.register("features.who", ({ details }) => [Number(details.caller ?? 0)]);
    expect(await this.b.call("features.who"), [0], "the caller");
    const disclosed = await this.b.call("features.who", [], {}, { disclose_me: true });
    expect(disclosed, [this.b.id], "the caller");
  }

  async call_trustlevels() {
    for (const [procedure, trust] of [[TRUSTED, TRUST_LEVEL], ["features.distrusted", 0]]) {
      await this.a.register(procedure, ({ details }) => [details.trustlevel]);
      expect(await this.b.call(procedure), [trust], "the level");
    }
  }

  async pattern_based_registration() {
    for (const [match, pattern, uri] of PATTERNS) {
      await this.a.register(pattern, ({ details }) => [details.procedure], { match });
      expect(await this.b.call(uri), [uri], "the procedure");
    }
    await this.a.register("features.preferred", echo);
    expect(await this.b.call("features.preferred", ["exact"]), ["exact"], "the result");
  }

  async shared_registration() {
    const c = await this.join(REALM);
    for (const [invoke, wanted] of [
      ["roundrobin", ["a", "b", "a", "b"]],
      ["first", ["a", "a", "a", "a"]],
      ["last", ["b", "b", "b", "b"]],
      ["random", null],
    ]) {
      const uri = `features.shared.${invoke}`;
      await this.a.register(uri, () => ["a"], { invoke });
      await this.b.register(uri, () => ["b"], { invoke });
      const other = c.register(uri, echo, { invoke: "single" });
      await refused(other, "wamp.error.procedure_already_exists");
      const answers = [];
      for (let number = 0; number < 4; number++) answers.push((await c.call(uri))[0]);
      if (wanted) expect(answers, wanted, "the answers");
      else expect(answers.filter((answer) => answer !== "a" && answer !== "b"), [], "others");
    }
    await c.leave();
  }

  async registration_revocation() {
    const c = await this.join(REALM);
    const id = await this.revokeRegistration(c);
    expect(await c.revoked.next(), id, "what was revoked");
    await c.leave();
  }

  async revokeRegistration(c) {
    const id = await c.register("features.revoked", echo);
    expect(await this.b.call("features.revoked", [1]), [1], "the result");
    await this.b.call("wamp.registration.remove_callee", [id, c.id]);
    await refused(this.b.call("features.revoked"), "wamp.error.no_such_procedure");
    return id;
  }

  async concurrency() {
    const gate = new Gate();
    await this.a.register("features.busy", gate.enter, { concurrency: 1 });
    const first = this.b.call("features.busy", [1]);
    expect((await gate.entered.next()).args, [1], "the first invocation");
    const second = this.b.call("features.busy", [2]);
    await gate.entered.silence();
    gate.open();
    expect([await first, await second], [[1], [2]], "the results");
  }

  async force_reregister() {
    const c = await this.join(REALM);
    await c.register("features.forced", echo);
    await this.a.register("features.forced", () => ["mine"], { force_reregister: true });
    expect(await this.b.call("features.forced"), ["mine"], "the result");
    await c.leave();
  }

  // Publish and subscribe

  async subscriber_blackwhite_listing() {
    const subscribed = await this.a.subscribe("features.listed");
    const [{ authid, authrole }] = await this.b.call("wamp.session.get", [this.a.id]);
    const [a, b] = [this.a.id, this.b.id];
    const hidden = [
      { eligible: [b] }, { eligible_authid: ["other"] }, { eligible_authrole: ["other"] },
      { exclude: [a] }, { exclude_authid: [authid] }, { exclude_authrole: [authrole] },
    ];
    const shown = [
      { eligible: [a] }, { eligible_authid: [authid] }, { eligible_authrole: [authrole] },
      { exclude: [b] },
    ];
    for (const options of hidden) await this.b.publish("features.listed", ["hidden"], options);
    for (const [number, options] of shown.entries()) {
      await this.b.publish("features.listed", [number], options);
    }
    for (const number of shown.keys()) await subscribed.expect(number);
  }

  async publisher_exclusion() {
    const subscribed = await this.b.subscribe("features.own");
    await this.b.publish("features.own", ["excluded"]);
    await this.b.publish("features.own", ["excluded"], { exclude_me: true });
    await this.b.publish("features.own", ["included"], { exclude_me: false });
    await subscribed.expect("included");
  }

  async publisher_identification() {
    const subscribed = await this.a.subscribe("features.publisher");
    await this.b.publish("features.publisher", [1]);
    await this.b.publish("features.publisher", [2], { disclose_me: true });
    expect((await subscribed.next()).details.publisher, undefined, "the publisher");
    const { publisher } = (await subscribed.next()).details;
    expect(publisher, this.b.id, "the publisher");
  }

  async publication_trustlevels() {
    for (const [topic, trust] of [[TRUSTED, TRUST_LEVEL], ["features.distrusted", 0]]) {
      const subscribed = await this.a.subscribe(topic);
      await this.b.publish(topic, []);
      expect((await subscribed.next()).details.trustlevel, trust, "the level");
    }
  }

  async pattern_based_subscription() {
    for (const [match, pattern, topic] of PATTERNS) {
      const exact = await this.a.subscribe(topic);
      const subscribed = await this.a.subscribe(pattern, { match });
      await this.b.publish(topic, [match]);
      expect((await subscribed.expect(match)).details.topic, topic, "the topic");
      await exact.expect(match);
    }
  }

  async event_history() {
    const [id] = await this.b.call("wamp.subscription.lookup", [HISTORY]);
    for (const number of [0, 1, 2]) await this.b.publish(HISTORY, [number]);
    const get = async (chosen) => {
      const events = await this.b.call("wamp.subscription.get_events", [id], chosen);
      // Some clients show a result without arguments as one null.
      const found = events.filter((event) => event !== null);
      return found.map((event) => ({ ...event, number: event.args[0] }));
    };
    const past = await get({});
    expect(past.map(({ number }) => number), [0, 1, 2], "the events");
    expect(past.map(({ subscription }) => subscription), [id, id, id], "the subscription");
    const publications = past.map(({ publication }) => publication);
    const [first, , last] = past.map(({ timestamp }) => timestamp);
    for (const [chosen, numbers] of [
      [{ reverse: true, limit: 2 }, [2, 1]],
      [{ after_publication: publications[0] }, [1, 2]],
      [{ before_publication: publications[1] }, [0]],
      [{ from_time: first, until_time: last }, [0, 1, 2]],
      [{ after_time: last }, []],
    ]) {
      const found = (await get(chosen)).map(({ number }) => number);
      expect(found, numbers, Object.keys(chosen).join());
    }
  }

  async event_retention() {
    await this.retain("features.retained", "early");
    const plain = await this.a.subscribe("features.retained");
    const c = await this.join(REALM);
    const subscribed = await c.subscribe("features.retained", { get_retained: true });
    expect((await subscribed.expect("early")).details.retained, true, "retained");
    await this.b.publish("features.retained", ["late"]);
    await plain.expect("late");
    expect((await subscribed.expect("late")).details.retained ?? false, false, "retained");
    await c.leave();
  }

  async retain(topic, text) {
    await this.b.publish(topic, [text], { retain: true });
  }

  async subscription_revocation() {
    const c = await this.join(REALM);
    const { id } = await this.revokeSubscription(c);
    expect(await c.revoked.next(), id, "what was revoked");
    await c.leave();
  }

  async revokeSubscription(c) {
    const subscribed = await c.subscribe("features.muted");
    await this.b.publish("features.muted", [1]);
    await subscribed.expect(1);
    await this.b.call("wamp.subscription.remove_subscriber", [subscribed.id, c.id]);
    const found = await this.b.call("wamp.subscription.lookup", ["features.muted"]);
    expect(found, [null], "the id");
    await this.b.publish("features.muted", [2]);
    return subscribed;
  }

  // Meta APIs

  async session_meta_api() {
    const joins = await this.b.subscribe("wamp.session.on_join");
    const leaves = await this.b.subscribe("wamp.session.on_leave");
    const [c, d] = [await this.join(REALM), await this.join(REALM)];
    const joined = [await joins.next(), await joins.next()].map(({ args }) => args[0].session);
    expect(new Set(plain(joined)), new Set([c.id, d.id]), "who joined");
    const [ids] = await this.b.call("wamp.session.list");
    expect(await this.b.call("wamp.session.count"), [ids.length], "the count");
    for (const { id } of [this.a, this.b, c, d]) expect(ids.includes(id), true, `${id} listed`);
    const [ofD] = await this.b.call("wamp.session.get", [d.id]);
    expect(ofD.session, d.id, "the session");
    const reason = { reason: "features.no_more" };
    await this.b.call("wamp.session.kill", [c.id], reason);
    await this.b.call("wamp.session.kill_by_authid", [ofD.authid], reason);
    for (const session of [c, d]) {
      expect((await session.left) ?? reason.reason, reason.reason, "why it left");
      const gone = this.b.call("wamp.session.get", [session.id]);
      await refused(gone, "wamp.error.no_such_session");
    }
    const left = [await leaves.next(), await leaves.next()].map(({ args }) => args[0]);
    expect(new Set(plain(left)), new Set([c.id, d.id]), "who left");
  }

  /** Until the router knows that the session has lost its connection. */
  async untilGone({ id }) {
    while ((await this.b.call("wamp.session.list"))[0].includes(id)) await sleep(50);
  }

  async registration_meta_api() {
    await this.watch("registration", "register", "callees", (c) =>
      c.register("features.watched", echo, { match: "prefix" }),
    );
  }

  async subscription_meta_api() {
    await this.watch("subscription", "subscribe", "subscribers", async (c) =>
      (await c.subscribe("features.watched", { match: "prefix" })).id,
    );
  }

  /** What the meta API says of a registration or subscription from its beginning to its end. */
  async watch(kind, verb, members, begin) {
    const events = [];
    for (const what of ["create", verb, `un${verb}`, "delete"]) {
      events.push(await this.b.subscribe(`wamp.${kind}.on_${what}`));
    }
    const c = await this.join(REALM);
    const id = await begin(c);
    const created = (await events[0].find(c.id)).args[1];
    const { id: createdId, uri, match } = created;
    expect([createdId, uri, match], [id, "features.watched", "prefix"], "what was created");
    await events[1].find(c.id, id);
    const [{ prefix }] = await this.b.call(`wamp.${kind}.list`);
    expect(prefix.includes(id), true, "listed");
    for (const [procedure, args, wanted] of [
      ["lookup", ["features.watched", { match: "prefix" }], id],
      ["lookup", ["features.watched"], null],
      ["match", ["features.watched.x"], kind === "subscription" ? [id] : id],
      [`list_${members}`, [id], [c.id]],
      [`count_${members}`, [id], 1],
    ]) {
      expect(await this.b.call(`wamp.${kind}.${procedure}`, args), [wanted], procedure);
    }
    expect((await this.b.call(`wamp.${kind}.get`, [id]))[0].id, id, "the id");
    await c.leave();
    for (const event of events.slice(2)) await event.find(c.id, id);
    await refused(this.b.call(`wamp.${kind}.get`, [id]), `wamp.error.no_such_${kind}`);
  }

  async testament_meta_api() {
    const subscribed = await this.a.subscribe("features.testament");
    const c = await this.join(REALM);
    for (const scope of ["detached", "destroyed"]) {
      const keywords = { scope, publish_options: { eligible: [this.a.id] } };
      const args = ["features.testament", [scope], { k: "v" }];
      await c.call("wamp.session.add_testament", args, keywords);
    }
    await c.call("wamp.session.flush_testaments", [], { scope: "detached" });
    await c.leave();
    expect((await subscribed.expect("destroyed")).kwargs, { k: "v" }, "the keywords");
  }
}

module.exports = { Features, Gate, Refused, Subscribed, echo, refused };
