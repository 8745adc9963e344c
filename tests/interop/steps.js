// What every JavaScript client does: named steps, one line of output each, and their values.
//
// A line is `ok STEP`, `FAIL STEP reason`, `skip STEP reason` or `part STEP reason`; `matrix.rs`
// reads them.

"use strict";

const { isDeepStrictEqual, inspect } = require("node:util");

// Where whoever runs this wants it to meet nobody else.
exports.REALM = process.env.INTEROP_REALM ?? "realm1";

// Longer than any step needs, shorter than anyone wants to wait for a hang.
const PATIENCE_MS = 20_000;

// One of each kind that all serializers can carry.
exports.VALUES = [
  "text é 😀", 42, -7, 9007199254740991, 1.5, true, false, null, [1, [2, []]], { k: {} },
];
exports.KWARGS = { answer: 42, words: ["a", "b"] };
exports.OCTETS = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

// Close to what the router takes by default, which is 1 MiB.
exports.LARGE = 1_000_000;

exports.BURST = 200;

/** This client cannot do this step. */
class Skip extends Error {}
exports.Skip = Skip;

/** This client can do part of this step, and that part went well. */
class Part extends Error {}
exports.Part = Part;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.sleep = sleep;

/** Runs steps and remembers whether all of them went well. */
exports.Steps = class Steps {
  failed = false;

  async run(name, step) {
    const late = sleep(PATIENCE_MS).then(() => {
      throw new Error("took too long");
    });
    try {
      await Promise.race([step(), late]);
      console.log("ok", name);
    } catch (fault) {
      if (fault instanceof Skip) return console.log("skip", name, fault.message);
      if (fault instanceof Part) return console.log("part", name, fault.message);
      this.failed = true;
      console.log("FAIL", name, inspect(fault).replaceAll("\n", " ").slice(0, 500));
      if (name === "join") this.finish();
    }
  }

  finish() {
    process.exit(this.failed ? 1 : 0);
  }
};

/** Things that arrive one by one and are awaited in order. */
exports.Queue = class Queue {
  #things = [];
  #waiting = [];

  push(thing) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(thing);
    else this.#things.push(thing);
  }

  next() {
    if (this.#things.length > 0) return Promise.resolve(this.#things.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async silence(ms = 200) {
    await sleep(ms);
    if (this.#things.length > 0) throw new Error(`unexpected: ${inspect(this.#things[0])}`);
  }
};

/** The same with numbers only: some clients read what is written in eight octets as a `BigInt`. */
const plain = (value) => {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};
exports.plain = plain;

exports.expect = (value, wanted, what = "value") => {
  if (isDeepStrictEqual(plain(value), wanted)) return;
  const [is, should] = [value, wanted].map((side) => inspect(side).slice(0, 200));
  throw new Error(`${what}: ${is} instead of ${should}`);
};

/** How octets look to a client that speaks `serializer`: JSON has none of its own. */
exports.octets = (serializer, bytes) =>
  serializer === "json" ? `\0${bytes.toString("base64")}` : bytes;

/** What arrived, as a `Buffer` if it is octets of any kind. */
exports.asBuffer = (value) =>
  value instanceof Uint8Array ? Buffer.from(value) : value;

/** Whoever started this process lets go of its standard input when it is no longer needed. */
exports.untilStdinCloses = () =>
  new Promise((resolve) => process.stdin.on("close", resolve).resume());

exports.fault = async (pending) => {
  try {
    await pending;
  } catch (fault) {
    return fault;
  }
  throw new Error("no error");
};
