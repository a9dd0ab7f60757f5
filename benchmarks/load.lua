-- For wrk: sends the prepared requests one after another, and prints what happened as one line of JSON.

local prepared = {}
local position = 0

function init(arguments)
  for _, request in ipairs(dofile(arguments[1])) do
    prepared[#prepared + 1] = wrk.format(request.method, request.path, request.headers, request.body)
  end
end

function request()
  position = position % #prepared + 1
  return prepared[position]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "bytes": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f, "max": %.3f, '
      .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout
  ))
end
