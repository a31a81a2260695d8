// One charge by axios, which axios-retry repeats: node with_axios.mjs URL KEY. Prints the answer's body.
import axios from "axios";
import axiosRetry from "axios-retry";

const [url, key] = process.argv.slice(2);
const client = axios.create({ proxy: false });
axiosRetry(client, {
  retries: 6,
  retryDelay: axiosRetry.exponentialDelay, // at least what Retry-After says
  // A POST is not repeated by default; with a key it may be.
  retryCondition: (error) =>
    axiosRetry.isNetworkError(error) || error.response?.status === 409 || error.response?.status >= 500,
});
const answer = await client.post(url, { amount: 1250 }, { headers: { "Idempotency-Key": key } });
console.log(JSON.stringify(answer.data));
