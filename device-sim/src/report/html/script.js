
"use strict";
// Comfort for a report that is complete without: values at a moment, lines that can be hidden, light and dark by hand.
(() => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
  const make = (tag, words, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = words;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const digits = (value) => value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 2 });
  const clock = (secs) => {
    if (secs < 120) return digits(Math.round(secs * 10) / 10) + " s";
    const whole = Math.round(secs), two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const units = {
    micros: (value) => value < 1e3 ? digits(value) + " µs" : value < 1e6 ? digits(value / 1e3) + " ms" : digits(value / 1e6) + " s",
    per_second: (value) => digits(value) + "/s",
    count: digits,
  };

  const tools = make("div", "", { class: "tools" });
  const theme = make("button", "", { type: "button" });
  const themes = ["", "light", "dark"];
  const dress = (name) => {
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    theme.textContent = "Colours: " + (name || "as the system");
  };
  theme.addEventListener("click", () => dress(themes[(themes.indexOf(root.dataset.theme || "") + 1) % themes.length]));
  dress("");
  tools.append(theme);
  const summary = document.getElementById("summary");
  if (summary) {
    const save = make("button", "Save the summary as JSON", { type: "button" });
    save.addEventListener("click", () => {
      const link = make("a", "", { download: "summary.json" });
      link.href = URL.createObjectURL(new Blob([summary.textContent], { type: "application/json" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    tools.append(save);
  }
  document.querySelector("header").append(tools);

  const data = read("plots");
  root.dataset.plots = "0";
  if (!data) return;
  const { moments, left, right, top, secs } = data;
  const x = (at) => left + Math.min(at / secs, 1) * (right - left);
  const nearest = (at) => {
    let low = 0, high = moments.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (moments[middle] < at) low = middle + 1; else high = middle;
    }
    return low > 0 && at - moments[low - 1] < moments[low] - at ? low - 1 : low;
  };

  // What each figure tells of its point: lines of name and value.
  const tellers = new Map(data.plots.map((plot) => [plot.id, (index) => plot.series
    .filter((series) => series.values[index] !== null && series.values[index] !== undefined)
    .map((series) => [series.name, units[plot.unit](series.values[index])])]));
  for (const map of data.maps) tellers.set(map.id, (index) => (map.columns[index] || [])
    .map((count, row) => [map.names[row], digits(count), count])
    .filter(([, , count]) => count > 0).reverse().slice(0, 14));

  const figures = [];
  const heard = make("div", "", { class: "heard", "aria-live": "polite" });
  document.body.append(heard);
  const told = make("div", "", { class: "told hidden", "aria-hidden": "true" });
  let chosen = moments.length - 1;

  const hide = () => {
    told.classList.add("hidden");
    for (const figure of figures) figure.cursor.replaceChildren();
  };
  const show = (index, at, aloud) => {
    chosen = Math.max(0, Math.min(moments.length - 1, index));
    const place = x(moments[chosen]);
    for (const figure of figures) {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("d", `M${place} ${top}V${figure.bottom}`);
      figure.cursor.replaceChildren(line);
    }
    const rows = at.tell(chosen);
    told.replaceChildren(make("b", clock(moments[chosen])));
    for (const [name, value] of rows) {
      const row = make("span", "");
      row.append(make("span", name), make("span", value));
      told.append(row);
    }
    if (!rows.length) told.append(make("span", "nothing measured"));
    at.element.append(told);
    told.classList.remove("hidden");
    const scale = at.svg.clientWidth / at.svg.viewBox.baseVal.width;
    const from = place * scale - at.scroll.scrollLeft;
    const width = told.offsetWidth;
    told.style.left = Math.max(0, from + 14 + width > at.element.clientWidth ? from - 14 - width : from + 14) + "px";
    told.style.top = at.scroll.offsetTop + top * scale + "px";
    if (aloud) heard.textContent = clock(moments[chosen]) + ": " + (rows.map((row) => row[0] + " " + row[1]).join(", ") || "nothing measured");
  };

  for (const [id, tell] of tellers) {
    const element = document.getElementById(id);
    if (!element) continue;
    const scroll = element.querySelector(".scroll"), svg = scroll.querySelector("svg");
    const figure = { element, scroll, svg, tell, cursor: svg.querySelector(".cursor"), bottom: svg.viewBox.baseVal.height - 26 };
    figures.push(figure);
    scroll.removeAttribute("aria-labelledby");
    scroll.setAttribute("aria-label", element.querySelector("h3").textContent + ": arrow keys go from moment to moment");
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const place = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      show(nearest((place - left) / (right - left) * secs), figure, false);
    });
    svg.addEventListener("pointerleave", hide);
    scroll.addEventListener("focusout", hide);
    scroll.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.round(moments.length / 10));
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -moments.length, End: moments.length };
      if (event.key === "Escape") return hide();
      if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(chosen + steps[event.key], figure, true);
    });
    for (const item of element.querySelectorAll("li[data-series]")) {
      const name = item.dataset.series;
      const button = make("button", "", { type: "button", "aria-pressed": "true" });
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        for (const part of svg.querySelectorAll("[data-series]"))
          if (part.dataset.series === name) part.classList.toggle("hidden", !shown);
      });
    }
  }
  root.dataset.plots = String(figures.length);
})();
