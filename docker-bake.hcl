# `praxis bake` builds praxis' own image. Variants differ in cargo features; a target is here once the feature is there.
variable "VERSION" {
  default = "0.1.0"
}

target "default" {
  context    = "."
  dockerfile = "Dockerfile"
  tags       = ["localhost/praxis/praxis:${VERSION}"]
  args = {
    VERSION = VERSION
  }
}

target "tsa" {
  inherits = ["default"]
  tags     = ["localhost/praxis/praxis:${VERSION}-tsa"]
  args = {
    FEATURES = "tsa"
  }
}
