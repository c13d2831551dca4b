"""Long videos in chunks: an interrupted job goes on, and several processes or computers share one.

A chunk is a run of frames that are upscaled and encoded by themselves, with an encoder of their own; the packets of all
chunks, one after another, are the new video. So the result is the same however the work was cut, and by whom it was
done, as long as they compute alike.

How to call it::

    settings = VideoSettings(chunk_frames=240)                   # job: what is asked for
    network = NetworkIdentity.of(upscaler)                       # job: which network computes, and how
    job = job_for(source, target, network, settings)             # upscale: a `VideoJob`; None: the video is too short
    for number in missing(job):                                  # folder: chunks that are still to be made
        encode_chunk(job, number, upscaler)                      # encode: decode, upscale, encode, write atomically
    finish(job)                                                  # upscale: check, join without encoding, remove folder

`VideoJob` is frozen plain data that can be pickled: it holds the source and its hash, the network, settings, versions
and the `ChunkPlan`. Any process that sees the source and the target's folder can call `encode_chunk` with it, in any
order and as often as it likes: the same chunk gets the same bytes. `encode_chunks` makes several neighbours without a
pause between them. `upscale_in_chunks` does all of it in one process, or a shard's share of it.

==============  ======================================================================================================
`plan`          where a video is cut, and from where each chunk can be decoded
`job`           the description of a job
`chunk_file`    the file of a chunk
`folder`        the folder of a job, next to the target: description, chunks, locks
`cutting`       which chunk each frame belongs to
`encode`        making chunks
`join`          making the file
`upscale`       the whole way
==============  ======================================================================================================
"""
