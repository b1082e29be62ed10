// The device's part of this script has not landed yet; until then it installs and takes over nothing.
const VERSION = "{{version}}";
const PRECACHE = ["{{precache}}"];
