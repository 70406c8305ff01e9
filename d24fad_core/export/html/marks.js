"use strict";
// Outlines and numbers of the findings, and the cross-hair, on a sheet above a viewer's canvas:
// as thin on the screen as lines are, whatever the size of the voxels.
window.d24fadMarks = (viewer, canvas, ranks, shape) => {
  const OUTLINE = "#4dd0e1";
  const CROSS = "#73f28c";
  const GAP = 14;
  const ALONG = [[0, 1, 2], [0, 2, 1], [1, 2, 0]]; // across, up, through: axial, coronal, sagittal
  const sheet = document.createElement("canvas");
  sheet.className = "sheet";
  sheet.setAttribute("aria-hidden", "true");
  canvas.parentElement.append(sheet);
  const shown = { outlines: ranks !== null, cross: true };

  function draw() {
    const pen = sheet.getContext("2d");
    const scale = canvas.width / canvas.clientWidth || 1;
    sheet.width = canvas.width;
    sheet.height = canvas.height;
    const volume = viewer.volumes[0];
    if (!volume) return;
    const low = volume.extentsMinOrtho;
    const high = volume.extentsMaxOrtho;
    for (const tile of viewer.screenSlices) {
      if (tile.axCorSag > 2) continue;
      const [across, up, through] = ALONG[tile.axCorSag];
      const [left, top, width, height] = tile.leftTopWidthHeight;
      const toX = (fraction) => left + (width * (low[across] + fraction * (high[across] - low[across]) - tile.leftTopMM[0])) / tile.fovMM[0];
      const toY = (fraction) => top + height * (1 - (low[up] + fraction * (high[up] - low[up]) - tile.leftTopMM[1]) / tile.fovMM[1]);
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width, height);
      pen.clip();
      if (shown.outlines) drawOutlines(pen, scale, [across, up, through], toX, toY);
      if (shown.cross) drawCross(pen, scale, tile.leftTopWidthHeight, toX(viewer.scene.crosshairPos[across]), toY(viewer.scene.crosshairPos[up]));
      pen.restore();
    }
  }

  function drawCross(pen, scale, [left, top, width, height], x, y) {
    pen.fillStyle = CROSS;
    const line = Math.max(1, Math.round(scale));
    const gap = GAP * scale;
    const [column, row] = [Math.round(x - line / 2), Math.round(y - line / 2)];
    pen.fillRect(left, row, Math.max(0, x - gap - left), line);
    pen.fillRect(x + gap, row, Math.max(0, left + width - x - gap), line);
    pen.fillRect(column, top, line, Math.max(0, y - gap - top));
    pen.fillRect(column, y + gap, line, Math.max(0, top + height - y - gap));
  }

  function drawOutlines(pen, scale, [across, up, through], toX, toY) {
    const steps = [1, shape[0], shape[0] * shape[1]];
    const depth = Math.min(shape[through] - 1, Math.max(0, Math.floor(viewer.scene.crosshairPos[through] * shape[through])));
    const [columns, rows] = [shape[across], shape[up]];
    const rank = (column, row) => column < 0 || row < 0 || column >= columns || row >= rows ? 0 : ranks[column * steps[across] + row * steps[up] + depth * steps[through]];
    const boxes = new Map();
    pen.strokeStyle = OUTLINE;
    pen.lineWidth = 1.4 * scale;
    pen.beginPath();
    for (let row = -1; row < rows; row++) {
      for (let column = -1; column < columns; column++) {
        const corners = [rank(column, row), rank(column + 1, row), rank(column + 1, row + 1), rank(column, row + 1)];
        if (corners[2]) {
          const box = boxes.get(corners[2]) || [column + 1, row + 1, column + 1, row + 1];
          boxes.set(corners[2], [Math.min(box[0], column + 1), Math.min(box[1], row + 1), Math.max(box[2], column + 1), Math.max(box[3], row + 1)]);
        }
        if (corners.every((each) => each === corners[0])) continue;
        // Marching squares: the middles of the sides whose ends differ, from voxel centre to centre.
        const sides = [[0, 1, 0.5, 0], [1, 2, 1, 0.5], [3, 2, 0.5, 1], [0, 3, 0, 0.5]]
          .filter(([one, other]) => (corners[one] > 0) !== (corners[other] > 0))
          .map(([, , x, y]) => [toX((column + 0.5 + x) / columns), toY((row + 0.5 + y) / rows)]);
        for (let end = 0; end + 1 < sides.length; end += 2) {
          pen.moveTo(...sides[end]);
          pen.lineTo(...sides[end + 1]);
        }
      }
    }
    pen.stroke();
    pen.font = `bold ${Math.round(14 * scale)}px sans-serif`;
    pen.lineWidth = 3 * scale;
    pen.strokeStyle = "rgba(0, 0, 0, 0.75)";
    pen.fillStyle = OUTLINE;
    for (const [number, box] of boxes) {
      const x = Math.max(toX((box[0] - 0.5) / columns), toX((box[2] + 1.5) / columns));
      const y = toY((box[3] + 1) / rows);
      pen.strokeText(String(number), x, y);
      pen.fillText(String(number), x, y);
    }
  }

  // The viewer draws at many occasions; each goes through this method.
  const drawScene = viewer.drawScene.bind(viewer);
  viewer.drawScene = (...options) => {
    const answer = drawScene(...options);
    draw();
    return answer;
  };
  draw();
  return (part, isShown) => {
    shown[part] = isShown;
    draw();
  };
};
