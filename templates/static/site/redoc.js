// ReDoc loads a logo from the internet, without an option to disable it. The Content-Security-Policy refuses the
// request. Without the request the page is complete offline and the console has no error.
const image = HTMLImageElement.prototype;
const src = Object.getOwnPropertyDescriptor(image, "src");
const setAttribute = image.setAttribute;
const isForeign = (url) => String(url).startsWith("https://cdn.redoc.ly/");

image.setAttribute = function (name, value) {
  if (name === "src" && isForeign(value)) this.hidden = true;
  else setAttribute.call(this, name, value);
};
Object.defineProperty(image, "src", {
  ...src,
  set(url) {
    if (isForeign(url)) this.hidden = true;
    else src.set.call(this, url);
  },
});
