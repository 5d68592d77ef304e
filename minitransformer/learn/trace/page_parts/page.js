"use strict";

// The page of one trace. Everything it shows is in the element #data; nothing is loaded.

const DATA = JSON.parse(document.getElementById("data").textContent);
const STEPS = DATA.steps;
const MOST_PANELS = 12;

const WORDS = {
  en: {
    start: "« Start", back: "◀ Back", step: "Step ▶", over: "Over ↓", out: "Out ↑", jump: "Jump ⇄", end: "End »",
    slider: "Step", position: (i, n) => `step ${i} of ${n}`, predict: "Predict the shape", language: "中文",
    code: "The code", values: "What this line read and made", made: "made", read: "read", argument: "argument",
    gradient: (d, x) => `${d} is the gradient of ${x}, of the same shape`, part: (a, b) => `shown: ${a} of ${b} numbers`,
    check: (e) => `gradient against the complex step: relative error ${e}`, pass: "✓", fail: "✗",
    ask: (name) => `What shape has ${name}?`, show: "Show", right: "Right!", wrong: "Not quite: ",
    nothing: "This line makes nothing: it checks, or it decides.", called: (text) => (text ? `Called as ${text}, with these arguments:` : "Called with these arguments:"),
    stack: "Call stack", goTo: (line) => `go to line ${line}`, incomplete: "The trace stops here: there were more steps than are kept.",
    changed: "changed in place", kinds: { call: "call", return: "returns", error: "raises an error", statement: "" },
    announce: (i, n, f, l, what) => `Step ${i} of ${n}: ${f}, line ${l}. ${what}`,
    keys: [["→", "step"], ["←", "back"], ["↓", "over"], ["↑", "out"], ["j", "jump between forward and backward"], ["Home", "start"], ["End", "end"], ["p", "predict"], ["l", "language"]],
  },
  zh: {
    start: "« 开头", back: "◀ 后退", step: "前进 ▶", over: "跳过 ↓", out: "跳出 ↑", jump: "对应 ⇄", end: "结尾 »",
    slider: "步", position: (i, n) => `第 ${i} 步,共 ${n} 步`, predict: "预测形状", language: "English",
    code: "代码", values: "这一行读取和得到的数组", made: "得到", read: "读取", argument: "参数",
    gradient: (d, x) => `${d} 是 ${x} 的梯度,形状相同`, part: (a, b) => `显示 ${b} 个数中的 ${a} 个`,
    check: (e) => `梯度与复数步长法比较:相对误差 ${e}`, pass: "✓", fail: "✗",
    ask: (name) => `${name} 的形状是什么?`, show: "显示", right: "正确!", wrong: "不对:",
    nothing: "这一行不产生数组:它做检查或判断。", called: (text) => (text ? `以 ${text} 调用,参数为:` : "以这些参数调用:"),
    stack: "调用栈", goTo: (line) => `转到第 ${line} 行`, incomplete: "追踪到此为止:后面的步骤没有保留。",
    changed: "原地修改", kinds: { call: "调用", return: "返回", error: "抛出错误", statement: "" },
    announce: (i, n, f, l, what) => `第 ${i} 步,共 ${n} 步:${f},第 ${l} 行。${what}`,
    keys: [["→", "前进"], ["←", "后退"], ["↓", "跳过调用"], ["↑", "跳出函数"], ["j", "在前向与反向之间跳转"], ["Home", "开头"], ["End", "结尾"], ["p", "预测"], ["l", "语言"]],
  },
};

let language = (navigator.language || "en").startsWith("zh") ? "zh" : "en";
let predicting = false;
let now = 0;

const byId = (id) => document.getElementById(id);
const words = () => WORDS[language];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// --- moving

function go(to) {
  now = Math.max(0, Math.min(STEPS.length - 1, to));
  history.replaceState(null, "", `#step=${now}`);
  render();
}

function over() {
  for (let i = now + 1; i < STEPS.length; i++) if (STEPS[i].depth <= STEPS[now].depth) return go(i);
  go(STEPS.length - 1);
}

function out() {
  for (let i = now + 1; i < STEPS.length; i++) if (STEPS[i].depth < STEPS[now].depth) return go(i);
  go(STEPS.length - 1);
}

function jump() {
  if (STEPS[now].jump !== null) go(STEPS[now].jump);
}

function goToLine(fn, line) {
  const runs = (i) => STEPS[i].fn === fn && STEPS[i].first <= line && line <= STEPS[i].last;
  const n = STEPS.length;
  const later = [...Array(n).keys()].map((k) => (now + 1 + k) % n).filter(runs);
  const same = later.find((i) => STEPS[i].frame === STEPS[now].frame);
  if (later.length) go(same ?? later[0]);
}

const MOVES = { start: () => go(0), back: () => go(now - 1), step: () => go(now + 1), over, out, jump, end: () => go(STEPS.length - 1) };
const KEYS = { ArrowRight: "step", ArrowLeft: "back", ArrowDown: "over", ArrowUp: "out", j: "jump", Home: "start", End: "end" };

// --- what is shown

function render() {
  const step = STEPS[now];
  const w = words();
  document.documentElement.lang = language;
  byId("slider").value = now;
  byId("position").textContent = w.position(now, STEPS.length - 1);
  byId("start").disabled = byId("back").disabled = now === 0;
  byId("step").disabled = byId("end").disabled = byId("over").disabled = byId("out").disabled = now === STEPS.length - 1;
  byId("jump").disabled = step.jump === null;
  renderStack(step);
  renderSource(step);
  byId("formulas").innerHTML = hidden(step) ? "" : step.formulas.map((i) => DATA.formulas[i]).join("");
  renderMade(step);
  renderRead(step);
  const fn = DATA.functions[step.fn];
  const what = step.made.map(([name, i]) => (predicting ? name : `${name} ${shapeText(DATA.values[i])}`)).join(", ");
  byId("announcement").textContent = w.announce(now, STEPS.length - 1, fn.name, step.first, what ? `${w.made} ${what}` : w.nothing);
}

function hidden(step) {
  return predicting && step.kind !== "call" && step.made.some(([, i]) => DATA.values[i].shape);
}

function stackOf(step) {
  const stack = [now];
  let depth = step.depth;
  for (let i = now; i >= 0 && depth > 0; i--) {
    if (STEPS[i].kind === "call" && STEPS[i].depth === depth) {
      depth -= 1;
      let caller = i - 1;
      while (caller >= 0 && STEPS[caller].depth > depth) caller -= 1;
      let next = i + 1;
      while (next < STEPS.length && STEPS[next].depth > depth) next += 1;
      stack.unshift(next < STEPS.length ? next : caller);
    }
  }
  return stack;
}

function renderStack(step) {
  byId("stack").setAttribute("aria-label", words().stack);
  byId("stack").replaceChildren(
    ...stackOf(step).map((i) => {
      const fn = DATA.functions[STEPS[i].fn];
      const kind = i === now ? words().kinds[step.kind] : "";
      const label = `${fn.name}${kind ? ` (${kind})` : ""}`;
      return element("li", {}, element("button", { onclick: () => go(i), ...(i === now ? { "aria-current": "true" } : {}) }, label));
    })
  );
}

let sourceShown = null;

function renderSource(step) {
  const fn = DATA.functions[step.fn];
  const box = byId("source");
  byId("code-heading").textContent = `${words().code}: ${fn.file}`;
  const key = `${step.fn} ${language}`;
  if (sourceShown !== key) {
    const lines = new Set(STEPS.filter((s) => s.fn === step.fn).flatMap((s) => [...Array(s.last - s.first + 1).keys()].map((k) => s.first + k)));
    box.replaceChildren(
      ...fn.lines.map((text, i) => {
        const line = fn.first + i;
        const no = element("span", { class: "no", "aria-hidden": "true" }, String(line));
        const code = element("span");
        code.innerHTML = text || " ";
        if (!lines.has(line)) return element("div", { class: "row" }, no, code);
        return element("button", { class: "row", title: words().goTo(line), onclick: () => goToLine(step.fn, line) }, no, code);
      })
    );
    sourceShown = key;
  }
  [...box.children].forEach((row, i) => {
    const lit = step.first <= fn.first + i && fn.first + i <= step.last;
    row.classList.toggle("lit", lit);
    if (lit) row.setAttribute("aria-current", "step");
    else row.removeAttribute("aria-current");
  });
  const lit = box.querySelector(".lit");
  if (lit) {
    const [a, b] = [lit.getBoundingClientRect(), box.getBoundingClientRect()];
    if (box.scrollHeight > box.clientHeight) box.scrollTop += a.top - b.top - box.clientHeight / 2;
  }
}

function renderMade(step) {
  const w = words();
  const box = byId("made");
  const children = [];
  if (step.kind === "call") children.push(element("p", { class: "note" }, w.called(step.caller)));
  else if (!step.made.length) children.push(element("p", { class: "note" }, w.nothing));
  const gradients = Object.fromEntries(step.gradients.map((g) => [g[0], g]));
  for (const [name, i, axes] of step.made) {
    const value = DATA.values[i];
    const title = step.kind === "call" ? w.argument : w.made;
    if (value.shape && hidden(step)) {
      children.push(question(step, name, value));
      continue;
    }
    const shown = valueElement(title, name, value, axes);
    const gradient = gradients[name];
    if (gradient) {
      const beside = valueElement("", gradient[1], DATA.values[gradient[2]], axes);
      const link = element("button", { onclick: () => go(gradient[3]) }, `⇄ ${gradient[1]}`);
      children.push(element("div", {}, element("div", { class: "pair" }, shown, beside), element("p", { class: "note" }, w.gradient(name, gradient[1]), " ", link)));
    } else children.push(shown);
  }
  if (now === STEPS.length - 1 && !DATA.complete) children.push(element("p", { class: "note" }, w.incomplete));
  box.replaceChildren(...children);
}

function renderRead(step) {
  byId("values-heading").textContent = words().values;
  const made = new Set(step.kind === "call" ? step.made.map(([name]) => name) : []);
  byId("read").replaceChildren(...step.read.filter(([name]) => !made.has(name)).map(([name, i, axes]) => valueElement(words().read, name, DATA.values[i], axes)));
}

function question(step, name, value) {
  const w = words();
  const input = element("input", { id: `guess-${name}`, placeholder: "2, 5, 7", autocomplete: "off" });
  const answer = element("span", { role: "status" });
  const reveal = () => {
    const guess = input.value.match(/\d+/g) || [];
    const right = guess.join() === value.shape.join();
    answer.textContent = input.value ? (right ? w.right : w.wrong + shapeText(value)) : shapeText(value);
    box.append(valueElement("", name, value, []));
    button.disabled = input.disabled = true;
  };
  const button = element("button", { type: "submit" }, w.show);
  const form = element("form", { class: "guess", onsubmit: (event) => (event.preventDefault(), reveal()) }, element("label", { for: `guess-${name}` }, w.ask(name)), input, button, answer);
  const box = element("div", { class: "array" }, form);
  return box;
}

// --- values

function shapeText(value) {
  if (value.shape) return value.shape.length === 1 ? `(${value.shape[0]},)` : `(${value.shape.join(", ")})`;
  return value.text ?? value.kind;
}

function valueElement(title, name, value, axes) {
  const heading = element("h3", {}, title ? `${title} ` : "", element("code", {}, name));
  if (value.text !== undefined) {
    heading.append(` = ${value.text}`);
    return element("div", { class: "array" }, heading);
  }
  if (value.kind !== undefined) {
    const shapes = value.arrays.map(([path, shape]) => `${path} (${shape.join(", ")})`).join(",  ");
    heading.append(" ", element("span", { class: "shape" }, `${value.kind}: ${shapes}`));
    return element("div", { class: "array" }, heading);
  }
  const named = axes.some((axis) => axis) ? `  (${axes.map((axis) => axis || "·").join(", ")})` : "";
  heading.append(" ", element("span", { class: "shape" }, `${shapeText(value)}${named} ${value.dtype}`));
  return element("div", { class: "array" }, heading, panels(value, axes));
}

function panels(value, axes) {
  const part = value.part;
  const [rows, columns] = [part.length > 1 ? part.at(-2) : 1, part.length ? part.at(-1) : 1];
  const before = part.slice(0, -2);
  const n = before.reduce((a, b) => a * b, 1);
  const masked = new Set(value.masked || []);
  const figures = [];
  for (let p = 0; p < Math.min(n, MOST_PANELS); p++) {
    const caption = before.length ? panelName(p, before, axes) : "";
    figures.push(figure(value, axes, p * rows * columns, rows, columns, caption, masked));
  }
  const shown = Math.min(n, MOST_PANELS) * rows * columns;
  const all = value.shape.reduce((a, b) => a * b, 1);
  const box = element("div", {}, element("div", { class: "panels" }, ...figures));
  if (shown < all) box.append(element("p", { class: "note" }, words().part(shown, all)));
  return box;
}

function panelName(p, before, axes) {
  const at = [];
  for (let axis = before.length - 1; axis >= 0; axis--) {
    at.unshift(axes[axis] ? `${axes[axis]} = ${p % before[axis]}` : `[${p % before[axis]}]`);
    p = Math.floor(p / before[axis]);
  }
  return at.join(" ");
}

function figure(value, axes, offset, rows, columns, caption, masked) {
  const [rowAxis, columnAxis] = [value.part.length > 1 ? axes.at(-2) || "" : "", axes.at(-1) || ""];
  const table = element("table");
  if (rowAxis || columnAxis) {
    const corner = value.part.length > 1 ? element("th", {}, rowAxis ? `${rowAxis} ↓` : "") : "";
    table.append(element("tr", {}, corner, element("th", { colspan: columns, scope: "colgroup" }, columnAxis ? `${columnAxis} →` : "")));
  }
  for (let r = 0; r < rows; r++) {
    const row = element("tr");
    if ((rowAxis || columnAxis) && value.part.length > 1) row.append(element("th", { scope: "row" }, String(r)));
    for (let c = 0; c < columns; c++) row.append(cell(value, offset + r * columns + c, masked));
    table.append(row);
  }
  return element("figure", {}, ...(caption ? [element("figcaption", {}, caption)] : []), table);
}

function cell(value, at, masked) {
  const x = value.numbers[at];
  const made = element("td", {}, numberText(x, value.dtype));
  if (masked.has(at)) made.className = "masked";
  else if (typeof x === "number" && x !== 0 && value.top) {
    made.className = x > 0 ? "plus" : "minus";
    made.style.setProperty("--size", Math.round((70 * Math.abs(x)) / value.top));
  }
  return made;
}

function numberText(x, dtype) {
  if (typeof x === "string") return { inf: "∞", "-inf": "−∞", nan: "NaN" }[x];
  if (dtype === "bool") return x ? "✓" : "·";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−");
  const text = Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3 ? x.toExponential(1) : x.toFixed(3);
  return text.replace(/-/g, "−");
}

// --- set up

function renderWords() {
  const w = words();
  for (const name of Object.keys(MOVES)) byId(name).textContent = w[name];
  byId("slider").setAttribute("aria-label", w.slider);
  byId("predict").textContent = w.predict;
  byId("predict").setAttribute("aria-pressed", String(predicting));
  byId("language").textContent = w.language;
  byId("language").lang = language === "en" ? "zh" : "en";
  byId("controls").setAttribute("aria-label", w.slider);
  byId("keys").replaceChildren(...w.keys.flatMap(([key, what]) => [element("kbd", {}, key), ` ${what}   `]));
  byId("title").textContent = `${DATA.section}  ${DATA.name}: ${DATA.equation}`;
  if (DATA.error !== null) {
    const good = DATA.error < 1e-12;
    byId("badge").className = good ? "good" : "bad";
    byId("badge").textContent = `${good ? w.pass : w.fail} ${w.check(DATA.error.toExponential(1))}`;
  }
  render();
}

function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  renderWords();
}

function switchPredict() {
  predicting = !predicting;
  renderWords();
}

function onKey(event) {
  if (event.target.tagName === "INPUT" && event.target.type !== "range") return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const move = KEYS[event.key];
  if (move) MOVES[move]();
  else if (event.key === "p") switchPredict();
  else if (event.key === "l") switchLanguage();
  else return;
  event.preventDefault();
}

function fromAddress() {
  const asked = /#step=(\d+)/.exec(location.hash);
  go(asked ? Number(asked[1]) : now);
}

byId("slider").max = STEPS.length - 1;
for (const [name, move] of Object.entries(MOVES)) byId(name).addEventListener("click", move);
byId("slider").addEventListener("input", (event) => go(Number(event.target.value)));
byId("language").addEventListener("click", switchLanguage);
byId("predict").addEventListener("click", switchPredict);
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", fromAddress);
now = Math.min(Number((/#step=(\d+)/.exec(location.hash) || [0, 0])[1]), STEPS.length - 1);
renderWords();
