// What autobahn-js makes of every advanced feature.

"use strict";

const autobahn = require("autobahn");

const { Part, Queue, REALM, Skip, expect } = require("../steps.js");
const { Features, Gate, Refused, Subscribed, echo, refused } = require("./common.js");

// A realm in which a callee of another make serves.
const SERVED_REALM = "disclosed";

/** One of its sessions, behind the names of all. */
class Adapter {
  revoked = new Queue();

  constructor(session) {
    this.session = session;
    this.id = session.id;
  }

  get left() {
    return this.session.left;
  }

  async call(procedure, args = [], kwargs = {}, { on_progress, ...options } = {}) {
    if (on_progress) options.receive_progress = true;
    const call = this.session.call(procedure, args, kwargs, options);
    const progress = (result) => on_progress(argumentsOf(result));
    return argumentsOf(await refusing(call.then(null, null, progress)));
  }

  async register(procedure, handler, options = {}) {
    const endpoint = async (args, kwargs, details) => {
      try {
        const invocation = { args, kwargs, details, progress: details.progress };
        return new autobahn.Result(await handler(invocation));
      } catch (fault) {
        throw fault instanceof Refused ? new autobahn.Error(fault.uri, fault.args) : fault;
      }
    };
    const registration = await refusing(this.session.register(procedure, endpoint, options));
    registration.on_unregister.then(() => this.revoked.push(registration.id));
    return registration.id;
  }

  async subscribe(topic, options = {}) {
    const events = new Queue();
    const heard = (args, kwargs, details) => events.push({ args, kwargs, details });
    const subscription = await this.session.subscribe(topic, heard, options);
    subscription.on_unsubscribe.then(() => this.revoked.push(subscription.id));
    return new Subscribed(subscription.id, events);
  }

  async publish(topic, args = [], options = {}) {
    await refusing(this.session.publish(topic, args, {}, { acknowledge: true, ...options }));
  }

  async leave() {
    await this.session.leave_();
  }
}

const argumentsOf = (result) => (result instanceof autobahn.Result ? result.args : [result]);

async function refusing(pending) {
  try {
    return await pending;
  } catch (fault) {
    throw fault instanceof autobahn.Error ? new Refused(fault.error, fault.args) : fault;
  }
}

class AutobahnJs extends Features {
  constructor(join) {
    super(async (realm) => new Adapter(await join(realm)));
  }

  async progressive_call_results() {
    const seen = [];
    const on_progress = ([number]) => seen.push(number);
    const caller = await this.join(SERVED_REALM);
    const args = ["interop.features.progress", [3], {}, { on_progress }];
    expect(await caller.call(...args), ["done"], "the result");
    expect(seen, [0, 1, 2], "the progress");
    await this.a.register("features.parts", ({ progress }) => [progress]);
    const call = this.b.call("features.parts", [], {}, { on_progress });
    expect(await call, [null], "the way to report progress");
    throw new Part(
      "as a caller, of another client; as a callee it announces no call_canceling, without which " +
        "the router must not ask it for progress",
    );
  }

  async progressive_call_invocations() {
    throw new Skip("a call of it has one CALL");
  }

  async call_canceling() {
    const gate = new Gate();
    await this.a.register("features.hang", gate.enter);
    const call = this.b.session.call("features.hang");
    await gate.entered.next();
    call.cancel({ mode: "kill" });
    await refused(refusing(call), "wamp.error.canceled");
    const c = await this.join(REALM);
    const other = c.session.call("features.hang");
    await gate.entered.next();
    other.cancel({ mode: "skip" });
    await other.catch(() => {});
    // It forgets the call, and gives up the connection when its answer comes.
    await c.left;
    await this.untilGone(c);
    throw new Part(
      "as a caller with mode `kill`: the answer in another mode it takes for a violation; as a " +
        "callee it knows no INTERRUPT",
    );
  }

  async call_trustlevels() {
    await this.a.register("features.trusted", ({ details }) => [details.trustlevel ?? null]);
    expect(await this.b.call("features.trusted"), [null], "the level");
    throw new Skip("the details it gives to procedures have no trust level");
  }

  async publication_trustlevels() {
    const subscribed = await this.a.subscribe("features.trusted");
    await this.b.publish("features.trusted");
    expect((await subscribed.next()).details.trustlevel, undefined, "the level");
    throw new Skip("the details it gives to handlers have no trust level");
  }

  async payload_passthru_mode() {
    throw new Skip("it announces it in no role");
  }

  async batched() {
    throw new Skip("it has no batched serializer");
  }

  async sessions_in_turn() {
    const c = await this.join(REALM);
    await c.register("features.turn", echo);
    const { session, id } = c;
    const { onleave } = session;
    await new Promise((resolve) => {
      session.onleave = resolve;
      session.leave();
    });
    session.onleave = onleave;
    await refused(this.b.call("features.turn"), "wamp.error.no_such_procedure");
    await new Promise((resolve) => {
      session.onjoin = resolve;
      session.join(REALM);
    });
    expect(session.id === id, false, "the same session again");
    await c.register("features.turn", echo);
    expect(await this.b.call("features.turn", [1]), [1], "the result");
    await c.leave();
  }
}

module.exports = { AutobahnJs };
