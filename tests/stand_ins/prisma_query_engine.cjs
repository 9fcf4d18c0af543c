#!/usr/bin/env node
// Prisma's query engine by its WebAssembly build, as LiteLLM starts the native one: query-engine -p PORT
const fs = require('node:fs')
const http = require('node:http')
const { createRequire } = require('node:module')
const need = createRequire(`${__dirname}/`)
const { Pool } = need('pg')
const { PrismaPg } = need('@prisma/adapter-pg')
const { bindAdapter } = need('@prisma/driver-adapter-utils')
const { parse } = need('graphql')

if (process.argv.includes('--version')) { console.log('query-engine 393aa359c9ad4a4bb28630fb5613f9c281cde053'); process.exit(0) }
const runtime = need.resolve('@prisma/client/runtime/query_engine_bg.postgresql.js')
const glue = need(runtime)
const wasm = new WebAssembly.Instance(
  new WebAssembly.Module(fs.readFileSync(runtime.replace(/js$/, 'wasm'))), { './query_engine_bg.js': glue })
glue.__wbg_set_wasm(wasm.exports)
wasm.exports.__wbindgen_start?.()

const url = JSON.parse(process.env.OVERWRITE_DATASOURCES || '[]')[0]?.url || process.env.DATABASE_URL
const datamodel = fs.readFileSync(process.env.PRISMA_DML_PATH, 'utf8').replace(/^generator[^}]*}/m, '')
const pool = new Pool({ connectionString: url.split('?')[0], max: 10, connectionTimeoutMillis: 5000 })
// Types of PostgreSQL's own catalogue, which the adapter does not know, are text.
function lenient(asked) {
  const query = asked.query.bind(asked)
  asked.query = (...words) => {
    const found = query(...words)
    return found?.then ? found.then((result) => {
      for (const field of result.fields) if ([19, 2205].includes(field.dataTypeID)) field.dataTypeID = 25
      return result
    }) : found
  }
}
lenient(pool)
pool.on('connect', lenient)
pool.on('error', () => {}) // an idle connection that PostgreSQL closed; the next query makes another
const engine = new glue.QueryEngine({
  datamodel, logLevel: 'error', logQueries: false, datasourceOverrides: {}, env: { DATABASE_URL: url }, configDir: '.',
  engineProtocol: 'json',
}, () => {}, bindAdapter(new PrismaPg(pool)))

// The native engine is asked in GraphQL, this build in JSON.
const ACTION = /^(findUniqueOrThrow|findUnique|findFirstOrThrow|findFirst|findMany|createOne|createMany|updateOne|updateMany|upsertOne|deleteOne|deleteMany|aggregate|groupBy|executeRaw|queryRaw)(.*)$/

// Fields by model whose strings are JSON: in GraphQL they are JSON's text.
const JSON_FIELDS = Object.fromEntries([...datamodel.matchAll(/^model (\w+) {(.*?)^}/gms)].map(
  ([, model, fields]) => [model, new Set([...fields.matchAll(/^\s+(\w+)\s+Json/gm)].map((each) => each[1]))]))

function value(node, json, own) {
  if (node.kind === 'ObjectValue') {
    return Object.fromEntries(node.fields.map(({ name, value: inner }) => [
      name.value, value(inner, json, json?.has(name.value) || (own && ['equals', 'not', 'set'].includes(name.value)))]))
  }
  if (node.kind === 'ListValue') return node.values.map((each) => value(each, json))
  if (node.kind === 'NullValue') return null
  if (own && node.kind === 'StringValue') return { $type: 'Json', value: node.value }
  return node.kind === 'IntValue' || node.kind === 'FloatValue' ? Number(node.value) : node.value
}
const given = (field, json) => Object.fromEntries(field.arguments.map((each) => [each.name.value, value(each.value, json)]))
const selected = (field) => Object.fromEntries((field.selectionSet?.selections || []).map((each) => [
  each.name.value, each.selectionSet ? { arguments: given(each), selection: selected(each) } : true]))

function translated({ query }) {
  const [field] = parse(query).definitions[0].selectionSet.selections
  const [, action, modelName] = field.name.value.match(ACTION)
  return { ...(modelName ? { modelName } : {}), action, query: { arguments: given(field, JSON_FIELDS[modelName]), selection: selected(field) } }
}

// Values with a type of their own are plain in GraphQL.
function plain(found) {
  if (Array.isArray(found)) return found.map(plain)
  if (!found || typeof found !== 'object') return found
  if ('$type' in found) return found.value
  return Object.fromEntries(Object.entries(found).map(([name, inner]) => [name, plain(inner)]))
}
const named = ({ data, ...rest }) => (data ? { ...rest, data: { result: plain(Object.values(data)[0]) } } : rest)

async function asked(body, transaction) {
  const request = JSON.parse(body)
  const question = request.batch
    ? { batch: request.batch.map(translated), ...(request.transaction ? { transaction: { isolationLevel: request.isolationLevel } } : {}) }
    : translated(request)
  const found = JSON.parse(await engine.query(JSON.stringify(question), '{}', transaction))
  return JSON.stringify(found.batchResult ? { batchResult: found.batchResult.map(named) } : named(found))
}

async function answer(method, path, body, transaction) {
  if (path === '/status') return '{"status":"ok"}'
  const [, verb, id] = path.match(/^\/transaction\/(?:(start)|([^/]+)\/(?:commit|rollback))$/) || []
  if (verb) return engine.startTransaction(body, '{}')
  if (id) return path.endsWith('commit') ? engine.commitTransaction(id, '{}') : engine.rollbackTransaction(id, '{}')
  return asked(body, transaction)
}

http.createServer(async (request, response) => {
  const parts = []
  for await (const part of request) parts.push(part)
  let text
  try {
    text = await answer(request.method, request.url, Buffer.concat(parts).toString(), request.headers['x-transaction-id'])
  } catch (error) {
    text = JSON.stringify({ errors: [{ error: String(error), user_facing_error: { message: String(error) } }] })
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(text)
}).listen(Number(process.argv[process.argv.indexOf('-p') + 1]), 'localhost', () => engine.connect('{}'))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
