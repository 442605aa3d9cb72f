// Appended to a copy of a report in a test: uses it as people do, and writes down what came of it.
(() => {
  const root = document.documentElement;
  const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => {
    const [red, green, blue] = channels(colour).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour && !colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };

  const figures = [...document.querySelectorAll("figure.plot")].map((figure) => {
    const svg = figure.querySelector(".scroll > svg"), box = svg.getBoundingClientRect();
    const outside = [...svg.querySelectorAll("text")].filter((text) => {
      const place = text.getBoundingClientRect();
      return place.left < box.left - 1 || place.right > box.right + 1 || place.bottom > box.bottom + 1;
    });
    const drawn = [...svg.querySelectorAll(".lines path, .cells")].map((path) => path.getBoundingClientRect());
    return {
      id: figure.id, width: box.width, height: box.height, paths: drawn.length,
      widest: Math.max(0, ...drawn.map((place) => place.width)), highest: Math.max(0, ...drawn.map((place) => place.height)),
      outside: outside.map((text) => text.textContent),
    };
  });

  const pale = {};
  for (const theme of ["light", "dark"]) {
    root.dataset.theme = theme;
    const found = new Set();
    for (const element of document.querySelectorAll("main *, header *, footer *")) {
      if (element.closest("svg") || !element.innerText?.trim() || element.children.length || element.closest(".told")) continue;
      const ratio = contrast(getComputedStyle(element).color, behind(element));
      if (ratio < 4.5) found.add(element.tagName + "." + element.className + " " + ratio.toFixed(1));
    }
    for (const text of document.querySelectorAll(".plot > .scroll > svg > :not(.marks) text")) {
      const ratio = contrast(getComputedStyle(text).fill, behind(text));
      if (ratio < 4.5) found.add("text " + text.textContent + " " + ratio.toFixed(1));
    }
    for (const line of document.querySelectorAll(".line")) {
      const ratio = contrast(getComputedStyle(line).stroke, behind(line));
      if (ratio < 3) found.add("line " + line.getAttribute("class") + " " + ratio.toFixed(1));
    }
    pale[theme] = [...found];
  }
  delete root.dataset.theme;

  const theme = document.querySelector(".tools button");
  theme.click();
  theme.click();
  const dark = root.dataset.theme;

  const region = document.querySelector("#throughput .scroll");
  const press = (key) => region.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  region.focus();
  press("Home");
  const first = document.querySelector(".heard").textContent;
  press("ArrowRight");
  const second = document.querySelector(".heard").textContent;
  const cursors = document.querySelectorAll(".cursor path").length;
  press("Escape");
  const left = document.querySelectorAll(".cursor path").length;

  const button = document.querySelector("#throughput .legend button");
  button.click();
  const hidden = document.querySelectorAll("#throughput .lines .hidden").length;

  const measured = document.createElement("pre");
  measured.id = "measured";
  measured.textContent = JSON.stringify({ figures, pale, dark, first, second, cursors, left, hidden, focused: document.activeElement === region || region.tabIndex === 0, wide: root.scrollWidth - root.clientWidth });
  document.body.append(measured);
})();
