[VapourSynth Manifest V1]
paragon
