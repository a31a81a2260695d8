// One charge by undici, Node's own HTTP client, whose agent repeats it: node with_undici.mjs URL KEY.
import { Agent, RetryAgent, request } from "undici";

const [url, key] = process.argv.slice(2);
const dispatcher = new RetryAgent(new Agent(), {
  maxRetries: 6,
  minTimeout: 200, // or what Retry-After says
  // A POST is not repeated by default; with a key it may be.
  methods: ["POST"],
  statusCodes: [409, 500, 502, 503, 504],
});
const answer = await request(url, {
  dispatcher,
  method: "POST",
  headers: { "Content-Type": "application/json", "Idempotency-Key": key },
  body: JSON.stringify({ amount: 1250 }),
});
console.log(JSON.stringify(await answer.body.json()));
await dispatcher.close();
