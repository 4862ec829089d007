const SECONDS = 180, WIDTH = 720, HEIGHT = 112, TOP = 6;

function countBySecond(calls) {
  const now = Math.floor(Date.now() / 1000);
  const seconds = Array.from({length: SECONDS}, () => ({ok: 0, wait: 0, bad: 0}));
  for (const call of calls) {
    const age = now - Math.floor(call.started_at);
    if (age >= 0 && age < SECONDS) seconds[SECONDS - 1 - age][outcomeClass(call)] += 1;
  }
  return seconds;
}

function gridLines() {
  const line = (x1, x2, y1, y2) =>
    `<line x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}" vector-effect="non-scaling-stroke"/>`;
  const across = [TOP, (TOP + HEIGHT) / 2, HEIGHT].map(y => line(0, WIDTH, y, y));
  return across.concat([1, 2].map(minute => line(WIDTH * minute / 3, WIDTH * minute / 3, TOP, HEIGHT)));
}

function showChart(calls) {
  const seconds = countBySecond(calls), parts = gridLines(), step = WIDTH / SECONDS;
  const most = Math.max(4, ...seconds.map(second => second.ok + second.wait + second.bad));
  const top = 2 * Math.ceil(most / 2);
  seconds.forEach((second, index) => {
    let y = HEIGHT;
    for (const name of ["ok", "wait", "bad"]) {
      const tall = (HEIGHT - TOP) * second[name] / top;
      y -= tall;
      if (tall) parts.push(`<rect x="${index * step + .4}" width="${step - .8}" y="${y}" height="${tall}" fill="var(--${name})"/>`);
    }
  });
  byId("chart").innerHTML = parts.join("");
  byId("y").replaceChildren(...[top + "/s", top / 2 + "/s", "0"].map(text => made("span", "", text)));
}
