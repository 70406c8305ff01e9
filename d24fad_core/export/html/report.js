"use strict";
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const view = content.view;
  // A comparison with a prior alone has none, and changes in their place.
  const findings = content.findings ?? [];
  const changes = content.change ? content.change.rows : [];
  const byId = (name) => document.getElementById(name);
  const PLANES = { axial: 0, coronal: 1, sagittal: 2 };
  let sortedBy = { key: "rank", falling: false };
  let selected = null;
  let scores = null;
  let ranks = null;
  let caseView = null;
  let normalView = null;
  let scoreImage = null;
  let markCase = () => undefined;
  let markNormal = () => undefined;
  const normalImages = [];

  // ---- words and tables ----

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const millimetres = (place) => {
    const names = [["R", "L"], ["A", "P"], ["S", "I"]];
    return place
      .map((value, axis) => `${names[axis][value >= 0 ? 0 : 1]} ${Math.abs(value).toFixed(0)}`)
      .join(", ") + " mm";
  };

  // Without a sign before what rounds to 0.
  const oneDecimal = (value) => (Math.round(10 * value) / 10 + 0).toFixed(1);

  const COLUMNS = [
    { key: "rank", label: "No.", of: (f) => f.rank },
    ...(findings.some((f) => f.place) ? [{
      key: "place", label: "Place", words: true, of: (f) => f.place_text, text: (f) => f.place_text.replaceAll(" %", "\u00a0%") || "–",
    }] : []),
    { key: "volume", label: "Volume, ml", of: (f) => f.volume_ml, text: (f) => f.volume_text },
    { key: "peak", label: "Peak z", of: (f) => f.peak_score, text: (f) => f.peak_score.toFixed(1) },
    { key: "mean", label: "Mean z", of: (f) => f.mean_score, text: (f) => oneDecimal(f.mean_score) },
    {
      key: "slices", label: "Slices", of: (f) => f.slice_range[0],
      text: (f) => f.slice_range[0] === f.slice_range[1] ? `${f.slice_range[0]}` : `${f.slice_range[0]}–${f.slice_range[1]}`,
    },
    {
      key: "normals", label: "Normals as high", of: (f) => f.as_high ?? -1,
      text: (f) => f.as_high === null ? "–" : `${f.as_high} of ${content.calibration.normal_patients}`,
    },
  ];

  function writeWords() {
    byId("title").textContent = content.title;
    byId("headline").textContent = content.headline;
    byId("summary").hidden = !content.summary.length;
    for (const { question, parts } of content.summary) {
      const entry = element("div");
      const answer = element("dd");
      answer.append(...parts.map(({ text, warning }) => warning === null ? text : element("a", text, { href: `#warning-${warning}` })));
      entry.append(element("dt", question), answer);
      byId("summary").append(entry);
    }
    byId("case-sentence").textContent = content.case_sentence;
    byId("threshold-sentence").textContent =
      `${content.threshold_sentence} ${view.note}`;
    byId("made").textContent = `Made ${content.created.replace("T", " ").replace("Z", " UTC")}.`;
    if (content.warnings.length) {
      byId("warnings").hidden = false;
      byId("warnings").append(element("h2", content.warnings.length === 1 ? "A warning" : "Warnings"));
      for (const [number, warning] of content.warnings.entries()) {
        const line = element("p", null, { id: `warning-${number + 1}` });
        line.append(element("strong", warning.sentence), ` ${warning.remedy}`);
        byId("warnings").append(line);
      }
    }
    if (content.calibration) writeNormals();
    const provenance = byId("provenance");
    const facts = [
      ["study", content.provenance.query_name], ["study's content (SHA-256)", content.provenance.query_hash],
      ...(content.provenance.checkpoint_hash ? [["model", content.provenance.checkpoint_name], ["model's content (SHA-256)", content.provenance.checkpoint_hash]] : []),
      ...(content.change ? [["prior", content.change.prior], ["prior's content (SHA-256)", content.change.prior_hash]] : []),
      ["scan", `${content.geometry.shape.join(" x ")} voxels of ${content.geometry.spacing_mm.map((mm) => mm.toFixed(2)).join(" x ")} mm, axes ${content.geometry.orientation}`],
      ...(content.provenance.supports ?? []).map((support) => [`normal ${support.name}`, support.content_hash]),
      ...Object.entries(content.provenance.parameters).map(([name, value]) => [name.replaceAll("_", " "), value === null ? "default" : String(value)]),
      ...Object.entries(content.provenance.versions),
    ];
    for (const [name, value] of facts) provenance.append(element("dt", name), element("dd", value));
  }

  function writeNormals() {
    byId("compared").hidden = false;
    byId("calibration").textContent =
      `Of the whole study, p is ${content.calibration.p_value.toFixed(3)}. ${content.calibration.statement}`;
    const own = content.calibration.normal_case_scores;
    content.provenance.supports.forEach((support, number) => {
      const row = element("tr");
      row.append(
        element("td", support.name),
        element("td", `${(100 * support.share).toFixed(0)} %`),
        element("td", own.length === content.provenance.supports.length ? `${oneDecimal(own[number])} z` : "–"),
      );
      byId("supports").append(row);
    });
  }

  function writeHead() {
    const head = byId("findings-head");
    head.replaceChildren();
    for (const column of COLUMNS) {
      const sort = sortedBy.key !== column.key ? "none" : sortedBy.falling ? "descending" : "ascending";
      const cell = element("th", null, { scope: "col", "aria-sort": sort, class: column.words ? "words" : "number" });
      const button = element("button", column.label, { type: "button" });
      button.addEventListener("click", () => {
        sortedBy = { key: column.key, falling: sortedBy.key === column.key ? !sortedBy.falling : !["rank", "place"].includes(column.key) };
        writeHead();
        writeRows();
        head.children[COLUMNS.indexOf(column)].firstChild.focus();
      });
      cell.append(button);
      head.append(cell);
    }
  }

  function sortedFindings() {
    const column = COLUMNS.find((each) => each.key === sortedBy.key);
    const direction = sortedBy.falling ? -1 : 1;
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    return [...findings].sort((a, b) => direction * compare(column.of(a), column.of(b)) || a.rank - b.rank);
  }

  function writeRows() {
    const body = byId("findings-body");
    body.replaceChildren();
    if (!findings.length) {
      const row = element("tr");
      row.append(element("td", "No finding.", { colspan: String(COLUMNS.length), class: "words" }));
      body.append(row);
    }
    for (const finding of sortedFindings()) {
      const row = element("tr", null, { "data-rank": String(finding.rank) });
      COLUMNS.forEach((column, number) => {
        const cell = element("td", null, { class: column.words ? "words" : "number" });
        if (number === 0) {
          const button = element("button", String(finding.rank), { type: "button", "aria-label": `Show finding ${finding.rank}` });
          button.addEventListener("click", () => select(finding));
          cell.append(button);
        } else {
          cell.textContent = column.text(finding);
        }
        row.append(cell);
      });
      body.append(row);
    }
    markRow();
  }

  function markRow() {
    for (const row of byId("findings-body").querySelectorAll("tr[data-rank]")) {
      const isSelected = selected !== null && row.dataset.rank === String(selected.rank);
      row.classList.toggle("selected", isSelected);
      row.querySelector("button").setAttribute("aria-pressed", String(isSelected));
    }
  }

  function describe(finding) {
    const card = byId("finding");
    card.hidden = false;
    card.replaceChildren(
      element("h3", `Finding ${finding.rank}`),
      element("p", `${finding.volume_text} ml, peak ${finding.peak_score.toFixed(1)} z at ${millimetres(finding.peak_ras_mm)}.`),
    );
    for (const sentence of finding.sentences) card.append(element("p", sentence));
    if (finding.distances_sentence) card.append(element("p", finding.distances_sentence, { class: "faint" }));
  }

  function writeChanges() {
    if (!content.change) return;
    byId("changes").hidden = false;
    byId("changes-sentence").textContent = content.change.sentence;
    const alone = content.normals.every((normal) => normal.prior);
    byId("normal-label").textContent = `The same places in the prior${alone ? "" : " or a normal study"}`;
    for (const change of changes) {
      const row = element("tr");
      const first = element("td");
      const button = element("button", String(change.rank), { type: "button", "aria-label": `Go to change ${change.rank}, ${change.kind}` });
      button.addEventListener("click", () => goToChange(change));
      first.append(button);
      row.append(first, ...[change.kind, change.before, change.now, change.peak.toFixed(1)].map((text) => element("td", text)));
      byId("changes-body").append(row);
    }
  }

  function goToChange(change) {
    selected = change;
    showNormal(0);
    moveTo(change.fraction);
  }

  function select(finding) {
    selected = finding;
    markRow();
    describe(finding);
    // Beside a prior the reader wants the prior, and chooses a normal by hand.
    if (finding.nearest_normal && !content.change) {
      const number = content.normals.findIndex((normal) => normal.name === finding.nearest_normal);
      if (number >= 0) showNormal(number);
      byId("normal-note").textContent = number >= 0 ? "the one most like this study there" : `the one most like it there, ${finding.nearest_normal}, is not held in this page`;
    }
    moveTo(finding.fraction);
  }

  // ---- data ----

  async function unpacked(name) {
    const packed = Uint8Array.from(atob(byId(name).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function loadViewer() {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await unpacked("viewer"));
    document.head.append(script);
    if (!window.niivue) throw new Error("the viewer did not start");
    return window.niivue;
  }

  // The page knows where the study lies; to the viewer all its grids are straight and centred.
  function nifti(placed, bytes, colours = false) {
    const file = new Uint8Array(352 + bytes.length);
    const header = new DataView(file.buffer);
    header.setInt32(0, 348, true);
    header.setInt16(40, 3, true);
    placed.shape.forEach((count, axis) => header.setInt16(42 + 2 * axis, count, true));
    for (let axis = 3; axis < 7; axis++) header.setInt16(42 + 2 * axis, 1, true);
    header.setInt16(70, colours ? 2304 : 2, true);
    header.setInt16(72, colours ? 32 : 8, true);
    header.setFloat32(76, 1, true);
    placed.spacing.forEach((size, axis) => header.setFloat32(80 + 4 * axis, size, true));
    header.setFloat32(108, 352, true);
    header.setFloat32(112, 1, true);
    header.setUint8(123, 2);
    header.setInt16(254, 1, true);
    placed.shape.forEach((count, axis) => {
      header.setFloat32(280 + 20 * axis, placed.spacing[axis], true);
      header.setFloat32(292 + 16 * axis, (-placed.spacing[axis] * (count - 1)) / 2, true);
    });
    file.set([0x6e, 0x2b, 0x31, 0], 344);
    file.set(bytes, 352);
    return file.buffer;
  }

  const image = (library, name, placed, bytes, colours = false) =>
    library.NVImage.new(nifti(placed, bytes, colours), `${name}.nii`, "gray", 1.0, null, 0, 255);

  // The colours of overlay.png for each stored level, for any threshold.
  function colourTable(threshold) {
    const table = new Uint8Array(256 * 4);
    const [low, high] = view.alpha;
    for (let level = 0; level < 256; level++) {
      const score = level * view.score_step;
      const rise = Math.min(Math.max((score - threshold) / (view.maximum - threshold), 0), 1);
      for (let channel = 0; channel < 3; channel++) {
        table[4 * level + channel] = parseInt(view.colours.slice(6 * level + 2 * channel, 6 * level + 2 * channel + 2), 16);
      }
      table[4 * level + 3] = score > threshold ? Math.round(255 * (low + (high - low) * rise)) : 0;
    }
    return new Uint32Array(table.buffer);
  }

  function painted(levels, threshold, into) {
    const table = colourTable(threshold);
    const words = into ? new Uint32Array(into.buffer, into.byteOffset, levels.length) : new Uint32Array(levels.length);
    for (let voxel = 0; voxel < levels.length; voxel++) words[voxel] = table[levels[voxel]];
    return new Uint8Array(words.buffer, words.byteOffset, 4 * words.length);
  }

  // ---- views ----

  // Three planes in a row fill the stage: its shape follows the study's.
  function fitStages() {
    const [across, deep, high] = view.shape.map((count, axis) => count * view.spacing[axis]);
    for (const stage of document.querySelectorAll(".stage.case, .stage.normal")) {
      stage.style.aspectRatio = String((2 * across + deep) / Math.max(deep, high));
    }
  }

  function newView(library, more = {}) {
    return new library.Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, dragAndDropEnabled: false, loadingText: "",
      backColor: [0, 0, 0, 1], crosshairWidth: 0,
      fontColor: [0.85, 0.85, 0.85, 1], multiplanarShowRender: library.SHOW_RENDER.NEVER,
      multiplanarLayout: library.MULTIPLANAR_TYPE.ROW, multiplanarPadPixels: 6, scrollRequiresFocus: true,
      logLevel: "error", ...more,
    });
  }

  async function start() {
    writeWords();
    if (content.findings) {
      writeHead();
      writeRows();
    } else {
      byId("findings-part").hidden = true;
      byId("skip").href = "#changes-table";
      byId("skip").textContent = "Skip to the changes";
      byId("outlines-label").textContent = "Outlines of changes";
      byId("body-caption").textContent = "Changes";
    }
    writeChanges();
    drawStrip();
    drawLegend(view.threshold);
    fitStages();
    const library = await loadViewer();
    const [caseBytes, scoreBytes, rankBytes] = await Promise.all(["case", "scores", "ranks"].map(unpacked));
    scores = scoreBytes;
    ranks = rankBytes;
    caseView = newView(library);
    await caseView.attachToCanvas(byId("case-view"));
    caseView.addVolume(await image(library, "case", view, caseBytes));
    scoreImage = await image(library, "scores", view, painted(scores, view.threshold), true);
    caseView.addVolume(scoreImage);
    markCase = window.d24fadMarks(caseView, byId("case-view"), ranks, view.shape);
    caseView.onLocationChange = () => arrived();
    await startNormal(library);
    await startBody(library);
    bind();
    if (findings.length) select(findings[0]);
    else if (!content.findings && changes.length) goToChange(changes[0]);
    else moveTo([0.5, 0.5, 0.5]);
    document.documentElement.dataset.ready = "yes";
    // For tests and for curious readers.
    window.d24fad = { caseView, normalView, content };
  }

  async function startNormal(library) {
    if (!content.normals.length) return;
    byId("normal-figure").hidden = false;
    normalView = newView(library);
    await normalView.attachToCanvas(byId("normal-view"));
    for (const [number, normal] of content.normals.entries()) {
      normalImages.push(await image(library, `normal-${number}`, normal, await unpacked(`normal-${number}`)));
      byId("normal-choice").append(element("option", normal.prior ? `prior ${normal.name}` : normal.name, { value: String(number) }));
    }
    normalView.addVolume(normalImages[0]);
    markNormal = window.d24fadMarks(normalView, byId("normal-view"), null, null);
    normalView.onLocationChange = () => {
      const from = normalView.scene.crosshairPos;
      if (Math.hypot(...[0, 1, 2].map((axis) => from[axis] - caseView.scene.crosshairPos[axis])) > 1e-6) moveTo([...from]);
    };
    byId("normal-choice").addEventListener("change", (event) => {
      byId("normal-note").textContent = "";
      showNormal(Number(event.target.value));
    });
  }

  function showNormal(number) {
    byId("normal-choice").value = String(number);
    if (!normalView || normalView.volumes[0] === normalImages[number]) return;
    normalView.setVolume(normalImages[number], 0);
    for (const volume of [...normalView.volumes].slice(1)) normalView.removeVolume(volume);
    follow();
  }

  async function startBody(library) {
    const [body, heat] = await Promise.all(["body", "body-scores"].map(unpacked));
    const bodyView = newView(library, { show3Dcrosshair: false, isOrientCube: true });
    await bodyView.attachToCanvas(byId("body-view"));
    bodyView.addVolume(await image(library, "body", view.body, body));
    bodyView.addVolume(await image(library, "heat", view.body, painted(heat, view.threshold), true));
    bodyView.setOpacity(0, 0.25);
    bodyView.setScale(1.35);
    bodyView.setSliceType(bodyView.sliceTypeRender);
    bodyView.setRenderAzimuthElevation(215, 15);
  }

  function moveTo(fraction) {
    caseView.scene.crosshairPos = [...fraction];
    caseView.drawScene();
    arrived();
  }

  function follow() {
    if (!normalView) return;
    normalView.scene.crosshairPos = [...caseView.scene.crosshairPos];
    normalView.scene.pan2Dxyzmm = [...caseView.scene.pan2Dxyzmm];
    normalView.drawScene();
  }

  function arrived() {
    follow();
    const fraction = [...caseView.scene.crosshairPos];
    const place = view.fraction_to_mm.slice(0, 3).map((row) => row[0] * fraction[0] + row[1] * fraction[1] + row[2] * fraction[2] + row[3]);
    const index = fraction.map((part, axis) => Math.min(view.shape[axis] - 1, Math.max(0, Math.floor(part * view.shape[axis]))));
    const voxel = index[0] + view.shape[0] * (index[1] + view.shape[1] * index[2]);
    const level = scores[voxel];
    const score = level === 0 ? `below ${view.lowest_score.toFixed(1)} z` : `${level === 255 ? "at least " : ""}${(level * view.score_step).toFixed(1)} z`;
    const within = ranks[voxel] ? `, ${content.region} ${ranks[voxel]}` : "";
    byId("place").textContent = `${millimetres(place)}: ${score}${within}`;
    showSlice(sliceAt(fraction));
  }

  // ---- slices ----

  const strip = view.strip;
  const sliceAt = (fraction) => Math.min(strip.scores.length - 1, Math.max(0, Math.floor(fraction[strip.axis] * strip.extent)));

  function goToSlice(number) {
    const fraction = [...caseView.scene.crosshairPos];
    fraction[strip.axis] = (Math.min(strip.scores.length - 1, Math.max(0, number)) + 0.5) / strip.extent;
    moveTo(fraction);
  }

  function showSlice(number) {
    byId("slice").value = String(number);
    byId("slice-value").textContent = `${strip.plane} slice ${strip.numbers[number]}, ${oneDecimal(strip.scores[number])} z`;
    const mark = byId("strip").querySelector(".mark");
    if (mark) mark.setAttribute("x", String(number));
  }

  function drawStrip() {
    const svg = byId("strip");
    const count = strip.scores.length;
    const top = Math.max(view.maximum, ...strip.scores);
    const node = (tag, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
      svg.append(made);
    };
    svg.setAttribute("viewBox", `0 0 ${count} 100`);
    node("rect", { x: 0, y: 0, width: count, height: 100, fill: "#15181b" });
    strip.scores.forEach((score, number) => {
      const height = Math.max(0, Math.min(1, score / top)) * 100;
      const level = Math.min(255, Math.round(score / view.score_step));
      const fill = score > view.threshold ? `#${view.colours.slice(6 * level, 6 * level + 6)}` : "#6b7580";
      node("rect", { x: number, y: 100 - height, width: 0.92, height, fill });
    });
    const line = 100 - (100 * view.threshold) / top;
    node("line", { x1: 0, x2: count, y1: line, y2: line, stroke: "#4dd0e1", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" });
    node("rect", { class: "mark", x: 0, y: 0, width: 1, height: 100, fill: "#73f28c", "fill-opacity": 0.55 });
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      goToSlice(Math.floor(((event.clientX - box.left) / box.width) * count));
    });
    byId("slice").max = String(count - 1);
    byId("slice-label").textContent = `${strip.plane[0].toUpperCase()}${strip.plane.slice(1)} slice`;
  }

  // ---- controls ----

  function drawLegend(threshold) {
    const canvas = byId("legend");
    const pen = canvas.getContext("2d");
    const table = new Uint8Array(colourTable(threshold).buffer);
    for (let x = 0; x < canvas.width; x++) {
      const level = Math.round((255 * x) / (canvas.width - 1));
      const alpha = table[4 * level + 3] / 255;
      const channels = [0, 1, 2].map((channel) => Math.round(96 * (1 - alpha) + table[4 * level + channel] * alpha));
      pen.fillStyle = `rgb(${channels.join(",")})`;
      pen.fillRect(x, 0, 1, canvas.height);
    }
    byId("legend-start").textContent = `Colour: ${content.heat}, 0 z`;
    byId("legend-end").textContent = `${view.maximum.toFixed(0)} z and more`;
  }

  function showThreshold() {
    const chosen = byId("threshold").value;
    // The slider knows one decimal; where it began, the analysis knows more.
    const threshold = chosen === view.threshold.toFixed(1) ? view.threshold : Number(chosen);
    byId("threshold-value").textContent = `${threshold.toFixed(1)} z`;
    painted(scores, threshold, scoreImage.img);
    caseView.updateGLVolume();
    drawLegend(threshold);
    let above = 0;
    for (const level of scores) if (level * view.score_step > threshold) above++;
    const volume = above * view.voxel_ml;
    const text = volume >= 10 ? volume.toFixed(0) : volume >= 1 ? volume.toFixed(1) : volume.toFixed(2);
    byId("shown-sentence").textContent =
      `${text} ml of this study lie above ${threshold.toFixed(1)} z and are coloured. ${content.outlines_sentence}`;
  }

  function showLayout() {
    const choice = byId("layout").value;
    for (const each of [caseView, normalView]) {
      if (each) each.setSliceType(choice === "all" ? each.sliceTypeMultiplanar : PLANES[choice]);
    }
  }

  function bind() {
    const threshold = byId("threshold");
    threshold.min = (Math.ceil(10 * view.lowest_score) / 10).toFixed(1);
    threshold.max = (view.maximum - 0.1).toFixed(1);
    threshold.value = view.threshold.toFixed(1);
    threshold.addEventListener("input", showThreshold);
    byId("threshold-value").textContent = `${view.threshold.toFixed(1)} z`;
    byId("opacity-value").textContent = "100 %";
    byId("opacity").addEventListener("input", (event) => {
      byId("opacity-value").textContent = `${event.target.value} %`;
      caseView.setOpacity(1, Number(event.target.value) / 100);
    });
    byId("slice").addEventListener("input", (event) => goToSlice(Number(event.target.value)));
    byId("outlines").addEventListener("change", (event) => markCase("outlines", event.target.checked));
    byId("cross").addEventListener("change", (event) => {
      for (const mark of [markCase, markNormal]) mark("cross", event.target.checked);
    });
    byId("layout").addEventListener("change", showLayout);
    showThreshold();
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
      const step = { n: 1, p: -1 }[event.key];
      const order = content.findings ? sortedFindings() : changes;
      if (step !== undefined && order.length) {
        const next = order[(order.indexOf(selected) + step + order.length) % order.length];
        if (content.findings) select(next);
        else goToChange(next);
      }
      const slices = { ".": 1, ",": -1 }[event.key];
      if (slices !== undefined) goToSlice(sliceAt(caseView.scene.crosshairPos) + slices);
    });
  }

  start().catch((error) => {
    byId("failure").hidden = false;
    byId("failure").textContent =
      `The images cannot be drawn here (${error.message}); a browser with WebGL 2 is needed. The table is complete, ${content.files} hold the images.`;
    document.documentElement.dataset.ready = "failed";
    console.error(error);
  });
})();
