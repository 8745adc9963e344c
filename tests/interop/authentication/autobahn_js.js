// autobahn-js proves who it is: by its own code for each method, as a file of cases says.

"use strict";

const autobahn = require("autobahn");
const nacl = require("tweetnacl");

const { Skip } = require("../steps.js");
const { cases, judge } = require("./common.js");

const octets = (digits) => Uint8Array.from(Buffer.from(digits, "hex"));

/** How a case is gone about: options of a connection. */
function way({ method, authid, ticket, secret, private_key }) {
  const { auth_cra, auth_cryptosign } = autobahn;
  switch (method) {
    case "anonymous":
      return { authmethods: ["anonymous"], authid };
    case "ticket":
      return { authmethods: ["ticket"], authid, onchallenge: () => ticket };
    case "wampcra": {
      const onchallenge = (session, method, extra) => {
        const { salt, iterations, keylen } = extra;
        const key = salt ? auth_cra.derive_key(secret, salt, iterations, keylen) : secret;
        return auth_cra.sign(key, extra.challenge);
      };
      return { authmethods: ["wampcra"], authid, onchallenge };
    }
    case "cryptosign": {
      const pkey = nacl.sign.keyPair.fromSeed(octets(private_key));
      const onchallenge = (session, method, extra) => auth_cryptosign.sign_challenge(pkey, extra);
      // As its own `create_connection` has it, with what it has no value for.
      const authextra = {
        pubkey: auth_cryptosign.public_key(pkey),
        trustroot: null,
        challenge: null,
        channel_binding: null,
      };
      return { authmethods: ["cryptosign"], authid, authextra, onchallenge };
    }
    default:
      throw new Skip(`autobahn-js has no ${method}`);
  }
}

/** What comes of a case: who it is, or why it is not. */
function apply(transport, realm, given) {
  return new Promise((resolve) => {
    const options = { realm, transports: [transport], max_retries: 0, ...way(given) };
    if (given.before) options.authmethods = [...given.before, ...options.authmethods];
    const connection = new autobahn.Connection(options);
    connection.onopen = (session, details) => {
      const { authrole: role, authid, authmethod: method, authprovider: provider } = details;
      resolve({ role, authid, method, provider });
      connection.close();
    };
    connection.onclose = (reason, details) => {
      resolve({ reason: details?.reason ?? reason, text: details?.message });
      return true;
    };
    connection.open();
  });
}

exports.authenticate = async (transport, realm, path, steps) => {
  for (const given of cases(path)) {
    await steps.run(given.step, async () => {
      const { url, cookie, keeps, shows } = given;
      if (url || cookie || keeps || shows) throw new Skip("autobahn-js leaves that to a browser");
      if (given.challenge) throw new Skip("autobahn-js does not ask the router who it is");
      judge(given, await apply(transport(), given.realm ?? realm, given));
    });
  }
};
