"""Measuring how good an upscaled image is: resampling, PSNR-Y and SSIM, and the evaluation protocol on top of them."""
