// SPDX-License-Identifier: LGPL-2.1-or-later
// HLS for browsers that do not know it: MPEG transport stream with H.264 in, fragmented MP4 into a SourceBuffer.
// ISO/IEC 13818-1 (packets, PES), ISO/IEC 14496-10 Annex B (start codes), ISO/IEC 14496-12 and -15 (boxes).
"use strict";

const PLAYLIST = "playlist.m3u8";
const CLOCK = 90000; // ticks a second of a transport stream

const join = parts => {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

// The payload of each PES packet of the video stream, with its times.
function demux(segment) {
  const units = [];
  let mapPid = -1, videoPid = -1, parts = null;
  const finish = () => parts && units.push(readPes(join(parts)));
  for (let at = 0; at + 188 <= segment.length && segment[at] === 0x47; at += 188) {
    const packet = segment.subarray(at, at + 188);
    const pid = (packet[1] & 0x1f) << 8 | packet[2], starts = packet[1] & 0x40;
    const body = packet.subarray(packet[3] & 0x20 ? 5 + packet[4] : 4);
    if (!(packet[3] & 0x10))
      continue;
    if (pid === 0 && starts)
      mapPid = (body[11 + body[0]] & 0x1f) << 8 | body[12 + body[0]];
    else if (pid === mapPid && starts)
      videoPid = findVideo(body.subarray(1 + body[0]));
    else if (pid === videoPid && starts) {
      finish();
      parts = [body];
    } else if (pid === videoPid && parts)
      parts.push(body);
  }
  finish();
  return units;
}

// The first H.264 stream (type 0x1b) of a programme map.
function findVideo(table) {
  const end = 3 + ((table[1] & 0x0f) << 8 | table[2]) - 4;
  for (let at = 12 + ((table[10] & 0x0f) << 8 | table[11]); at < end; at += 5 + ((table[at + 3] & 0x0f) << 8 | table[at + 4]))
    if (table[at] === 0x1b)
      return (table[at + 1] & 0x1f) << 8 | table[at + 2];
  return -1;
}

const readTime = b => (b[0] & 0x0e) * 0x20000000 + (b[1] << 22 | (b[2] & 0xfe) << 14 | b[3] << 7 | b[4] >> 1);

function readPes(pes) {
  const pts = readTime(pes.subarray(9));
  return { pts, dts: pes[7] & 0x40 ? readTime(pes.subarray(14)) : pts, data: pes.subarray(9 + pes[8]) };
}

// The units between start codes 00 00 01.
function splitUnits(data) {
  const starts = [];
  for (let at = 2; at < data.length; at++)
    if (data[at] === 1 && !data[at - 1] && !data[at - 2])
      starts.push(at + 1);
  return starts.map((start, k) => {
    let end = k + 1 < starts.length ? starts[k + 1] - 3 : data.length;
    while (end > start && !data[end - 1])
      end--;
    return data.subarray(start, end);
  });
}

const u16 = n => [n >> 8 & 255, n & 255];
const u32 = n => [n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255];
const u64 = n => [...u32(Math.floor(n / 4294967296)), ...u32(n % 4294967296)];
const zeros = n => new Array(n).fill(0);
const box = (type, ...contents) => {
  const body = join(contents.map(c => c instanceof Uint8Array ? c : Uint8Array.from(c)));
  return join([Uint8Array.from([...u32(body.length + 8), ...[...type].map(c => c.charCodeAt(0))]), body]);
};
const MATRIX = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].flatMap(u32);

// Bits of a unit, without the bytes 3 that part zeros from start codes.
class Bits {
  constructor(unit) {
    this.bytes = unit.filter((b, k) => !(b === 3 && k > 1 && !unit[k - 1] && !unit[k - 2]));
    this.at = 0;
  }
  read(n) {
    let value = 0;
    for (; n > 0; n--, this.at++)
      value = value * 2 + (this.bytes[this.at >> 3] >> 7 - this.at % 8 & 1);
    return value;
  }
  golomb() {
    let n = 0;
    while (n < 32 && !this.read(1))
      n++;
    return 2 ** n - 1 + this.read(n);
  }
}

// Width and height: ITU-T H.264, 7.3.2.1.1; scaling lists are not read (no encoder here writes them).
function readSize(sps) {
  const bits = new Bits(sps.subarray(4));
  let chroma = 1;
  bits.golomb();
  if ([100, 110, 122, 244, 44].includes(sps[1])) {
    chroma = bits.golomb();
    bits.at += chroma === 3 ? 1 : 0;
    bits.golomb();
    bits.golomb();
    bits.at += 2;
  }
  bits.golomb();
  const order = bits.golomb();
  if (order === 0)
    bits.golomb();
  else if (order === 1) {
    bits.at++;
    bits.golomb();
    bits.golomb();
    for (let n = bits.golomb(); n > 0; n--)
      bits.golomb();
  }
  bits.golomb();
  bits.at++;
  const columns = bits.golomb() + 1, rows = bits.golomb() + 1, fields = 2 - bits.read(1);
  bits.at += fields === 2 ? 2 : 1;
  const crop = bits.read(1) ? [0, 0, 0, 0].map(() => bits.golomb()) : [0, 0, 0, 0];
  const across = chroma === 1 || chroma === 2 ? 2 : 1, down = (chroma === 1 ? 2 : 1) * fields;
  return [columns * 16 - (crop[0] + crop[1]) * across, rows * 16 * fields - (crop[2] + crop[3]) * down];
}

// The header of a fragmented file: one H.264 track.
function makeHeader(sps, pps) {
  const [width, height] = readSize(sps);
  const avcc = box("avcC", [1, sps[1], sps[2], sps[3], 0xff, 0xe1], u16(sps.length), sps, [1], u16(pps.length), pps);
  const entry = box("avc1", zeros(6), u16(1), zeros(16), u16(width), u16(height), u32(0x480000), u32(0x480000), zeros(4), u16(1), zeros(32),
    u16(24), u16(0xffff), avcc);
  const table = box("stbl", box("stsd", u32(0), u32(1), entry), box("stts", zeros(8)), box("stsc", zeros(8)),
    box("stsz", zeros(12)), box("stco", zeros(8)));
  const media = box("mdia", box("mdhd", zeros(12), u32(CLOCK), zeros(4), [0x55, 0xc4, 0, 0]),
    box("hdlr", zeros(8), [...("vide")].map(c => c.charCodeAt(0)), zeros(13)),
    box("minf", box("vmhd", u32(1), zeros(8)), box("dinf", box("dref", u32(0), u32(1), box("url ", u32(1)))), table));
  const track = box("trak", box("tkhd", u32(3), zeros(8), u32(1), zeros(24), MATRIX, u32(width * 65536), u32(height * 65536)), media);
  return join([box("ftyp", [...("isom")].map(c => c.charCodeAt(0)), u32(512), [...("isomavc1")].map(c => c.charCodeAt(0))),
    box("moov", box("mvhd", zeros(12), u32(CLOCK), zeros(4), u32(0x10000), u32(0x1000000), zeros(8), MATRIX, zeros(24), u32(2)),
      track, box("mvex", box("trex", u32(0), u32(1), u32(1), zeros(12))))]);
}

// One segment as a movie fragment; its samples last until the next one's decoding time.
function makeFragment(number, samples) {
  const rows = samples.flatMap((s, k) => {
    const next = samples[k + 1], last = samples[k - 1];
    const lasts = next ? next.dts - s.dts : last ? s.dts - last.dts : CLOCK / 25;
    return [...u32(lasts), ...u32(s.data.length), ...u32(s.isKey ? 0x02000000 : 0x01010000), ...u32(s.pts - s.dts)];
  });
  const makeMoof = offset => box("moof", box("mfhd", u32(0), u32(number)), box("traf", box("tfhd", u32(0x020000), u32(1)),
    box("tfdt", u32(0x01000000), u64(samples[0].dts)), box("trun", u32(0x00000f01), u32(samples.length), u32(offset), rows)));
  return join([makeMoof(makeMoof(0).length + 8), box("mdat", ...samples.map(s => s.data))]);
}

// Length-prefixed samples, and the parameters that the decoder starts with.
function readSegment(bytes) {
  const parameters = {};
  const samples = demux(bytes).map(unit => {
    const units = splitUnits(unit.data);
    parameters.sps = parameters.sps || units.find(u => (u[0] & 31) === 7);
    parameters.pps = parameters.pps || units.find(u => (u[0] & 31) === 8);
    const slices = units.filter(u => [1, 5, 6].includes(u[0] & 31));
    return { pts: unit.pts, dts: unit.dts, isKey: units.some(u => (u[0] & 31) === 5),
      data: join(slices.flatMap(u => [Uint8Array.from(u32(u.length)), u])) };
  });
  return { ...parameters, samples };
}

const hex = n => n.toString(16).padStart(2, "0");
const settled = buffer => new Promise((resolve, reject) => {
  buffer.addEventListener("updateend", resolve, { once: true });
  buffer.addEventListener("error", () => reject(new Error("the browser refuses the segment")), { once: true });
});

async function readPlaylist() {
  const answer = await fetch(PLAYLIST, { cache: "no-store" });
  if (!answer.ok)
    throw new Error("waiting for the first segment …");
  const lines = (await answer.text()).split("\n").map(line => line.trim());
  const first = lines.find(line => line.startsWith("#EXT-X-MEDIA-SEQUENCE:"));
  return { first: first ? parseInt(first.split(":")[1]) : 0, ended: lines.includes("#EXT-X-ENDLIST"),
    names: lines.filter(line => line && !line.startsWith("#")) };
}

// Appends what is new in the playlist, at first no more than its last three segments.
class Player {
  constructor(video, say) {
    Object.assign(this, { video, say, next: -1, buffer: null, source: new MediaSource() });
    video.src = URL.createObjectURL(this.source);
    this.source.addEventListener("sourceopen", () => this.turn(), { once: true });
  }

  async turn() {
    try {
      const list = await readPlaylist();
      if (this.next < 0)
        this.next = list.first + Math.max(list.names.length - 3, 0);
      this.next = Math.max(this.next, list.first);
      for (; this.next < list.first + list.names.length; this.next++)
        await this.append(list.names[this.next - list.first]);
      this.say(list.ended ? "ended" : "live");
      if (list.ended && this.source.readyState === "open")
        this.source.endOfStream();
      if (list.ended)
        return;
    } catch (error) {
      this.say(error.message);
    }
    setTimeout(() => this.turn(), 1000);
  }

  async append(name) {
    const answer = await fetch(name);
    if (!answer.ok)
      return; // it has left the folder meanwhile
    const { sps, pps, samples } = readSegment(new Uint8Array(await answer.arrayBuffer()));
    if (!this.buffer) {
      this.buffer = this.source.addSourceBuffer(`video/mp4; codecs="avc1.${hex(sps[1])}${hex(sps[2])}${hex(sps[3])}"`);
      await this.feed(makeHeader(sps, pps));
    }
    await this.feed(makeFragment(this.next + 1, samples));
    this.keepUp();
    if (this.video.currentTime > 30) {
      this.buffer.remove(0, this.video.currentTime - 20);
      await settled(this.buffer);
    }
  }

  feed(bytes) {
    this.buffer.appendBuffer(bytes);
    return settled(this.buffer);
  }

  // From the start of what there is; never far behind the live end.
  keepUp() {
    const ranges = this.buffer.buffered;
    if (!ranges.length)
      return;
    const start = ranges.start(ranges.length - 1), end = ranges.end(ranges.length - 1);
    if (this.video.currentTime < start || this.video.currentTime < end - 15)
      this.video.currentTime = Math.max(start, end - 6);
  }
}

const video = document.getElementById("video"), state = document.getElementById("state");
const say = text => state.textContent = text;
if (video.canPlayType("application/vnd.apple.mpegurl")) {
  video.src = PLAYLIST;
  say("live");
} else if (window.MediaSource)
  new Player(video, say);
else
  say("this browser plays neither HLS nor Media Source Extensions");
