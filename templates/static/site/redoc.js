// ReDoc draws its maker's logo from the internet, without an option against it. The site's policy refuses
// that anyway; not asking keeps the page whole offline and the console clean.
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
