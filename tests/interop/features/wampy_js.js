// What wampy.js makes of every advanced feature.

"use strict";

const { Part, Queue, REALM, Skip, expect, plain } = require("../steps.js");
const { Features, Gate, Refused, Subscribed, echo, refused } = require("./common.js");

/** One of its sessions, behind the names of all. */
class Adapter {
  revoked = new Queue();

  constructor(session) {
    this.session = session;
    this.id = Number(session.getSessionId());
  }

  get left() {
    return this.session.left;
  }

  async call(procedure, args = [], kwargs = {}, { on_progress, ...options } = {}) {
    if (on_progress) options.progress_callback = ({ argsList }) => on_progress(argsList);
    const payload = { argsList: args, argsDict: kwargs };
    const { argsList } = await refusing(this.session.call(procedure, payload, options));
    return plain(argsList ?? []);
  }

  async register(procedure, handler, options) {
    const rpc = async ({ argsList, argsDict, details, result_handler }) => {
      const progress = (args) => result_handler({ argsList: args, options: { progress: true } });
      const invocation = { args: argsList ?? [], kwargs: argsDict ?? {}, details, progress };
      try {
        return { argsList: await handler(invocation) };
      } catch (fault) {
        throw fault instanceof Refused ? { error: fault.uri, argsList: fault.args } : fault;
      }
    };
    const registered = await refusing(this.session.register(procedure, rpc, options));
    return Number(registered.registrationId);
  }

  async subscribe(topic, options) {
    const events = new Queue();
    const heard = ({ argsList, argsDict, details }) =>
      events.push({ args: argsList ?? [], kwargs: argsDict ?? {}, details });
    const subscribed = await refusing(this.session.subscribe(topic, heard, options));
    return new Subscribed(subscribed.subscriptionId, events);
  }

  async publish(topic, args, options) {
    await refusing(this.session.publish(topic, { argsList: args }, options));
  }

  async leave() {
    await this.session.disconnect();
  }
}

async function refusing(pending) {
  try {
    return await pending;
  } catch (fault) {
    throw fault.errorUri ? new Refused(fault.errorUri, fault.argsList) : fault;
  }
}

class WampyJs extends Features {
  constructor(join, serializer) {
    super(async (realm) => new Adapter(await join(realm)));
    this.serializer = serializer;
  }

  async progressive_call_invocations() {
    const c = await this.join(REALM);
    c.session.progressiveCall("features.parts", [1]).result.catch(() => {});
    await c.left;
    throw new Skip("it can, but announces it in no role: what it says is a violation then");
  }

  async call_canceling() {
    const gate = new Gate();
    await this.a.register("features.hang", gate.enter);
    for (const mode of ["skip", "kill", "killnowait"]) {
      const call = this.b.session.call("features.hang");
      const { reqId } = this.b.session.getOpStatus();
      await gate.entered.next();
      this.b.session.cancel(reqId, { mode });
      await refused(refusing(call), "wamp.error.canceled");
    }
    gate.open();
    expect(await this.b.call("features.hang", [1]), [1], "the result");
    throw new Part("as a caller; as a callee it knows no INTERRUPT");
  }

  async registration_revocation() {
    await this.revokeRegistration(await this.join(REALM));
    throw new Skip("it does not announce it, so it is not told");
  }

  async subscription_revocation() {
    await this.revokeSubscription(await this.join(REALM));
    throw new Skip("it does not announce it, so it is not told");
  }

  async concurrency() {
    const gate = new Gate();
    await this.a.register("features.busy", gate.enter, { concurrency: 1 });
    for (const number of [1, 2]) {
      this.b.call("features.busy", [number]);
      expect((await gate.entered.next()).args, [number], "the invocation");
    }
    gate.open();
    throw new Skip("it does not send the option");
  }

  async force_reregister() {
    await this.b.register("features.forced", echo);
    const forced = this.a.register("features.forced", echo, { force_reregister: true });
    await refused(forced, "wamp.error.procedure_already_exists");
    throw new Skip("it does not send the option");
  }

  async publisher_exclusion() {
    const subscribed = await this.b.subscribe("features.own");
    await this.b.publish("features.own", ["excluded"], { exclude_me: true });
    await this.b.publish("features.own", ["excluded"], { exclude_me: false });
    await this.a.publish("features.own", ["included"]);
    await subscribed.expect("included");
    throw new Part("it does not send `exclude_me: false`, so a publisher is always excluded");
  }

  async event_retention() {
    await super.event_retention();
    throw new Part("as a subscriber; `retain` it sends in testaments alone");
  }

  async retain(topic, text) {
    const subscribed = await this.a.subscribe(topic);
    const c = await this.join(REALM);
    const options = { publish_options: { retain: true } };
    await c.call("wamp.session.add_testament", [topic, [text], {}], options);
    await c.leave();
    await subscribed.expect(text);
  }

  async payload_passthru_mode() {
    // In JSON it has no way to send octets, but the payload may be text.
    const serializers = this.serializer === "json" ? ["json"] : ["json", "msgpack", "cbor"];
    for (const ppt_serializer of serializers) {
      await this.passThrough({ ppt_scheme: "x_features", ppt_serializer });
    }
    if (this.serializer === "json") return;
    const encrypted = { ppt_cipher: "aes256gcm", ppt_keyid: "key" };
    await this.passThrough({ ppt_scheme: "wamp", ppt_serializer: "cbor", ...encrypted });
  }

  /** Sends a payload that only its ends understand through the router. */
  async passThrough(options) {
    const payload = { argsList: ["text", 1], argsDict: { k: "v" } };
    const uri = `features.secret.${options.ppt_scheme}.${options.ppt_serializer}`;
    const met = new Queue();
    const meet = ({ details, argsList, argsDict }) => {
      const { ppt_scheme, ppt_serializer, ppt_cipher, ppt_keyid } = details;
      met.push({ ppt_scheme, ppt_serializer, ppt_cipher, ppt_keyid, argsList, argsDict });
      return { argsList, argsDict, options };
    };
    const all = { ppt_cipher: undefined, ppt_keyid: undefined, ...options, ...payload };
    await this.a.session.register(uri, meet);
    await this.a.session.subscribe(uri, meet);
    const result = await this.b.session.call(uri, payload, options);
    expect(await met.next(), all, "the invocation");
    meet(result);
    expect(await met.next(), all, "the result");
    await this.b.session.publish(uri, payload, options);
    expect(await met.next(), all, "the event");
  }

  async batched() {
    throw new Skip("it has no batched serializer");
  }

  async sessions_in_turn() {
    throw new Skip("its connection ends with its session");
  }
}

module.exports = { WampyJs };
