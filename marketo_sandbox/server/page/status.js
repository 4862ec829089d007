function showStatus(status) {
  byId("endpoint").textContent = location.origin;
  byId("mode").textContent = "";
  if (status.crm_sync) byId("mode").append(made("span", "pill wait", "CRM sync: " + status.crm_sync));
  if (!status.limits.enforced) byId("mode").append(made("span", "pill wait", "limits off"));
  const notes = [status.clock.now.slice(0, 19).replace("T", " ") + " UTC"];
  if (status.clock.frozen) notes.push("frozen");
  if (status.latency_ms) notes.push(status.latency_ms + " ms per call");
  notes.push(status.token_seconds_left ? "token expires in " + whole(status.token_seconds_left) + " s" : "no valid token");
  byId("clock").textContent = notes.join(" · ");
  const counts = byId("counts");
  counts.textContent = "";
  for (const [name, count] of Object.entries(status.counts)) {
    const pair = made("div");
    pair.append(made("dt", "", name[0].toUpperCase() + name.slice(1)), made("dd", "", whole(count)));
    counts.append(pair);
  }
  showMeters(status.limits);
  showFaults(status.faults);
  const outcomes = Object.entries(status.outcomes).sort((one, two) => two[1] - one[1]);
  showLegend(status.calls, outcomes);
  byId("problems").style.display = status.problems.length ? "block" : "none";
  byId("problems").querySelector("pre").textContent = status.problems.join("\n");
}

function showMeters(limits) {
  const meters = byId("meters");
  meters.textContent = "";
  const rows = [
    [limits.in_window, limits.calls_per_window, "calls in the last " + limits.window_seconds + " s", limits.most_in_window],
    [limits.in_flight, limits.concurrent_calls, "concurrent calls", limits.most_in_flight],
    [limits.today, limits.daily_calls, "calls today", null],
  ];
  for (const [used, most, name, peak] of rows) {
    const share = Math.min(1, used / most);
    const meter = made("div", "meter" + (share >= 1 ? " full" : share >= .8 ? " near" : ""));
    const figure = made("div");
    figure.append(made("b", "", whole(used)), made("span", "", " of " + whole(most)));
    const bar = made("div", "bar");
    const fill = made("i");
    fill.style.width = 100 * share + "%";
    bar.append(fill);
    if (peak) {
      const mark = made("u");
      mark.style.left = "calc(" + 100 * Math.min(1, peak / most) + "% - 1px)";
      bar.append(mark);
    }
    meter.append(figure, bar, made("small", "", name + (peak === null ? "" : " (peak " + whole(peak) + ")")));
    meters.append(meter);
  }
}

function showFaults(faults) {
  const list = byId("faults");
  list.textContent = "";
  if (!faults.length) list.append(made("p", "empty", "None."));
  for (const fault of faults) {
    const spent = fault.times !== null && fault.struck >= fault.times;
    const row = made("div", "fault");
    const where = [fault.method, fault.operation || fault.path || "any call"];
    const often = fault.probability < 1 ? Math.round(fault.probability * 1000) / 10 + "%" : "always";
    const times = fault.times === null ? "" : ", limit " + whole(fault.times);
    const note = [where.filter(Boolean).join(" "), often + times, fault.after ? "after processing" : "",
      fault.skip ? "after " + whole(fault.skip) + " more calls" : ""];
    row.append(made("span", "pill wait" + (spent ? " spent" : ""), fault.fault),
      made("div", "", note.filter(Boolean).join(" · ")), made("span", "soft", "injected: " + whole(fault.struck)));
    list.append(row);
  }
}

function showLegend(total, outcomes) {
  const legend = byId("legend");
  legend.textContent = "";
  for (const [name, variable] of [["succeeded", "--ok"], ["refused or skipped", "--wait"], ["failed", "--bad"]]) {
    const entry = made("span");
    const box = made("i");
    box.style.background = "var(" + variable + ")";
    entry.append(box, name);
    legend.append(entry);
  }
  const summary = outcomes.slice(0, 5).map(([name, count]) => name + " " + whole(count)).join(" · ");
  const totals = made("span", "", whole(total) + " total" + (summary ? ": " + summary : ""));
  totals.style.marginLeft = "auto";
  legend.append(totals);
}
