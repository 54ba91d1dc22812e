// SPDX-License-Identifier: Apache-2.0
// bench_onnxruntime.js - times ONNX Runtime on one model and prints one JSON line.
// needs: npm install --ignore-scripts onnxruntime-node   (found through NODE_PATH)
// usage: node bench_onnxruntime.js MODEL.onnx SIZE [REPEAT] [THREADS]
const ort = require('onnxruntime-node');

async function main() {
  const [, , file, size, repeat = '5', threads = '2'] = process.argv;
  const side = Number(size);
  const options = { intraOpNumThreads: Number(threads), graphOptimizationLevel: 'all', logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(file, options);
  const noise = Float32Array.from({ length: 3 * side * side }, () => Math.random() * 2 - 1);
  const x = new ort.Tensor('float32', noise, [1, 3, side, side]);
  await session.run({ x });
  const seconds = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < Number(repeat); i++) {
    const begin = process.hrtime.bigint();
    await session.run({ x });
    seconds.push(Number(process.hrtime.bigint() - begin) / 1e9);
  }
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6 / seconds.length;
  seconds.sort((a, b) => a - b);
  console.log(JSON.stringify({ peer: 'onnxruntime', median_s: seconds[seconds.length >> 1], min_s: seconds[0], cpu_s: cpuSeconds }));
}

main();
