const ROWS = 40, COLUMNS = 8;
const rows = new Map();

function outcomeClass(call) {
  if (call.outcome === "ok") return call.statuses.skipped ? "wait" : "ok";
  if (call.outcome === "in flight") return "ok";
  return call.codes.length ? "wait" : "bad";
}

function notes(call) {
  const parts = [];
  for (const [status, count] of Object.entries(call.statuses)) parts.push(whole(count) + " " + status);
  const reasons = Object.entries(call.reasons).map(([code, count]) => code + " (" + whole(count) + ")");
  if (reasons.length) parts.push("reasons " + reasons.join(", "));
  if (call.fault) parts.push("injected fault: " + call.fault);
  if (call.operation === null) parts.push(call.method + " " + call.path);
  return parts.join(" · ");
}

function cellsOf(call) {
  const time = new Date(call.started_at * 1000).toTimeString().slice(0, 8);
  const took = call.ended === null ? "…" : whole(Math.max(1, Math.round((call.ended - call.started) * 1000))) + " ms";
  const name = made("td", "name"), outcome = made("td", "outcome");
  const button = made("button", "", (call.operation || "unknown").replaceAll("_", " "));
  button.type = "button";
  name.append(button);
  outcome.append(made("span", "pill " + outcomeClass(call), call.outcome));
  return [
    made("td", "mono soft", time), name, made("td", "number asked", call.asked ? whole(call.asked) : ""),
    made("td", "number answered", call.answered ? whole(call.answered) : ""), outcome,
    made("td", "number took", took), made("td", "number soft at-once", whole(call.in_flight)), made("td", "wide", notes(call)),
  ];
}

const parametersOf = query =>
  [...new URLSearchParams(query)].map(([name, value]) => "  " + name + " = " + value);

function lineOf(request) {
  const [path, query] = request.target.split("?", 2);
  return [request.method + " " + path, ...parametersOf(query || "")].join("\n");
}

function bodyText(message) {
  if (!message.body) return "";
  if (message.bytes > message.body_bytes) return message.body + "\n… (truncated; " + whole(message.bytes) + " bytes in total)";
  if ((message.headers["content-type"] || "").includes("form-urlencoded")) return parametersOf(message.body).join("\n");
  try {
    return JSON.stringify(JSON.parse(message.body), null, 2);
  } catch (error) {
    return message.body;
  }
}

function messageText(first, message) {
  const headers = Object.entries(message.headers).map(([name, value]) => name + ": " + value);
  return [first, headers.join("\n"), bodyText(message)].filter(Boolean).join("\n\n");
}

async function showExchange(call, place) {
  try {
    const {request, response} = await fetchJson("exchange?call=" + call.seq);
    const none = call.ended === null ? "Not sent yet." : "Not sent: the connection was cut.";
    const answer = response ? messageText("HTTP " + response.status, response) : none;
    const parts = [["Request", messageText(lineOf(request), request)], ["Response", answer]];
    place.replaceChildren(...parts.map(([name, text]) => {
      const part = made("div");
      part.append(made("h3", "", name), made("pre", "", text));
      return part;
    }));
  } catch (error) {
    place.textContent = error.message;
  }
}

function toggle(row) {
  const button = row.summary.querySelector("button");
  if (row.detail) {
    row.detail.remove();
    row.detail = null;
  } else {
    row.detail = made("tr", "detail");
    const cell = made("td"), place = made("div", "exchange", "…");
    cell.colSpan = COLUMNS;
    cell.append(place);
    row.detail.append(cell);
    row.summary.after(row.detail);
    showExchange(row.call, place);
  }
  button.setAttribute("aria-expanded", String(Boolean(row.detail)));
}

function addRow(call) {
  const row = {call, summary: made("tr", "call"), detail: null};
  row.summary.addEventListener("click", () => toggle(row));
  byId("calls").prepend(row.summary);
  rows.set(call.seq, row);
  return row;
}

function fillRow(row, call) {
  row.call = call;
  row.summary.replaceChildren(...cellsOf(call));
  row.summary.querySelector("button").setAttribute("aria-expanded", String(Boolean(row.detail)));
  if (row.detail) showExchange(call, row.detail.querySelector(".exchange"));
}

function showCalls(calls) {
  const shown = calls.slice(-ROWS), kept = new Set(shown.map(call => call.seq));
  byId("none").style.display = calls.length ? "none" : "block";
  for (const [seq, row] of rows) {
    if (kept.has(seq)) continue;
    row.summary.remove();
    if (row.detail) row.detail.remove();
    rows.delete(seq);
  }
  for (const call of shown) {
    const row = rows.get(call.seq);
    if (!row) fillRow(addRow(call), call);
    else if (row.call.ended === null) fillRow(row, call);
  }
}
