// wampy.js proves who it is: by its plugins for each method, as a file of cases says.

"use strict";

const wampyCra = require("wampy-cra");
const wampyCryptosign = require("wampy-cryptosign");
const nacl = require("tweetnacl");

const { Skip } = require("../steps.js");
const { cases, judge } = require("./common.js");

const octets = (digits) => Uint8Array.from(Buffer.from(digits, "hex"));

/** How a case is gone about: options of a session. */
function way({ method, authid, ticket, secret, private_key }) {
  switch (method) {
    case "anonymous":
      return {};
    case "ticket":
      return { authid, authmethods: ["ticket"], onChallenge: () => ticket };
    case "wampcra":
      return { authid, authmethods: ["wampcra"], onChallenge: wampyCra.sign(secret) };
    case "cryptosign": {
      const { publicKey } = nacl.sign.keyPair.fromSeed(octets(private_key));
      const authextra = { pubkey: Buffer.from(publicKey).toString("hex") };
      const onChallenge = wampyCryptosign.sign(private_key);
      return { authid, authmethods: ["cryptosign"], authextra, onChallenge };
    }
    default:
      throw new Skip(`wampy.js has no ${method}`);
  }
}

exports.authenticate = async (join, realm, path, steps) => {
  for (const given of cases(path)) {
    await steps.run(given.step, async () => {
      const { url, cookie, keeps, shows, before } = given;
      if (url || cookie || keeps || shows) throw new Skip("wampy.js leaves that to whoever uses it");
      const options = way(given);
      if (options.authmethods && !given.authid) {
        throw new Skip("wampy.js says how it proves itself only with an authid");
      }
      if (before) throw new Skip("wampy.js has one way at a time here");
      if (given.challenge) throw new Skip("wampy.js does not ask the router who it is");
      judge(given, await outcome(join(given.realm ?? realm, options)));
    });
  }
};

async function outcome(joining) {
  try {
    const session = await joining;
    const details = session.welcome;
    await session.disconnect();
    const { authrole: role, authid, authmethod: method, authprovider: provider } = details;
    return { role, authid, method, provider };
  } catch (fault) {
    return { reason: fault.errorUri ?? String(fault), text: fault.details?.message };
  }
}
