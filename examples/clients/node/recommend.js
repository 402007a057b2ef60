// Asks what to offer a customer, and tells that the first offer was clicked.

const { randomUUID } = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

const files = ["throughline/v1/event.proto", "throughline/v1/recommendation.proto"];
const protos = loadSync(files, { includeDirs: [`${__dirname}/../../../protos`], keepCase: true });
const { EventService, RecommendationService } = grpc.loadPackageDefinition(protos).throughline.v1;
const server = process.env.THROUGHLINE_SERVER || "127.0.0.1:50051";
const at = [server, grpc.credentials.createInsecure()];
const call = (client, method, request) => new Promise((done, failed) =>
  client[method](request, { deadline: Date.now() + 2000 }, (error, answer) =>
    error ? failed(error) : done(answer)));

async function main() {
  const who = { namespace: "loyalty", value: "L000312" };
  const request = { identifiers: [who], channel: "web", count: 3 };
  const answer = await call(new RecommendationService(...at), "Recommend", request);
  for (const offer of answer.offers) console.log(offer.rank, offer.offer_id, offer.title);
  const clicked = { event_id: randomUUID(), identifier: who, type: "click", channel: "web",
    time: answer.moment.minute, offer_id: answer.offers[0].offer_id, decision_id: answer.decision_id };
  await call(new EventService(...at), "RecordEvents", { events: [clicked] });
}

main().catch((error) => { console.error(error.message); process.exitCode = 1; });
