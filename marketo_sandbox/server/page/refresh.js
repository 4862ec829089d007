const KEPT = 5000;
let calls = [], last = 0, connected = false;

async function connect(status) {
  if (connected) return;
  await showCredentials();
  // A visitor who comes before the first call is likely to look for the credentials.
  byId("connect").open = status.calls === 0;
  connected = true;
}

async function refresh() {
  try {
    const status = await fetchJson("status");
    // The sandbox was restarted, so the numbering of calls starts again.
    if (status.calls < last) {
      calls = [];
      last = 0;
      connected = false;
      showCalls(calls);
    }
    await connect(status);
    const open = calls.find(call => call.ended === null);
    const since = open ? open.seq - 1 : last;
    const fresh = (await fetchJson(`journal?brief=1&limit=${KEPT}&since=${since}`)).calls;
    const first = status.journal_first || 0;
    calls = calls.filter(call => call.seq <= since && call.seq >= first).concat(fresh).slice(-KEPT);
    if (calls.length) last = calls[calls.length - 1].seq;
    document.body.classList.remove("gone");
    showStatus(status);
    showChart(calls);
    showCalls(calls);
  } catch (error) {
    document.body.classList.add("gone");
    byId("clock").textContent = "no connection to the sandbox";
  }
  setTimeout(refresh, 1000);
}
refresh();
