// express-idempotency 1.0.6 in an Express application, with its Redis adapter: there is no hop, the application answers.
//
// What it does not do: it looks and then writes (two calls at once are both executed), keeps no header but the type, and
// writes the answer behind the caller's back (a retry that comes first meets 409). It keeps whole requests, headers included.
//
// node server.js PORT REDIS-PORT ANSWER-FILE
'use strict'

const fs = require('node:fs')
const express = require('express')
const { createClient } = require('@redis/client')
const { idempotency, getSharedIdempotencyService } = require('express-idempotency')
const adapterModule = require('express-idempotency-redis-adapter')

const RedisAdapter = adapterModule.default ?? adapterModule
const [port, redis, file] = process.argv.slice(2)
const answer = fs.readFileSync(file)
const calls = new Map()

async function main () {
  const client = createClient({ url: `redis://127.0.0.1:${redis}` })
  await client.connect()
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.use(express.json({ limit: '64mb' }))
  app.post('/charges', idempotency({ dataAdapter: new RedisAdapter({ connectionInstance: client }) }), (request, response) => {
    if (getSharedIdempotencyService().isHit(request)) return
    const key = request.get('Idempotency-Key')
    calls.set(key, (calls.get(key) ?? 0) + 1)
    response.status(201).type('application/json').send(answer.toString())
  })
  app.get('/counted', (request, response) => {
    let all = 0
    for (const each of calls.values()) all += each
    response.json({ calls: all, distinct: calls.size, without: 0 })
  })
  app.use((fault, request, response, next) => {
    if (response.headersSent) return
    if (response.statusCode < 400) response.status(500)
    response.json({ title: fault.message })
  })
  app.listen(Number(port), '127.0.0.1', 4096)
}

main()
