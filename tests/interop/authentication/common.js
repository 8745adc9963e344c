// What the clients in JavaScript share: the cases, and how they are judged.

"use strict";

const { readFileSync } = require("node:fs");

const { expect } = require("../steps.js");

exports.cases = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Whether what came of a case is what should. */
exports.judge = (given, outcome) => {
  for (const [name, value] of Object.entries(given.expect)) {
    expect(outcome[name], value, `${name} in ${JSON.stringify(outcome)}`);
  }
};
