# bertkit and its extras, on CPUs or, with the second command, on NVIDIA's GPUs:
#   docker build --tag bertkit .
#   docker build --tag bertkit:cuda --build-arg TORCH=cuda .
# Then, with the current folder as the place of inputs and outputs, which belong to you:
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" bertkit doctor
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" --gpus all bertkit:cuda doctor
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# cpu (1 GB) or cuda (6 GB: CUDA's libraries come with it, the driver from the machine).
ARG TORCH=cpu
ARG EXTRAS=plot,tensorboard,hdf5,remote,hub,dask,drive,parquet,zstd,wiki,punkt,summarise,kubernetes
RUN python -m venv /opt/bertkit
ENV PATH=/opt/bertkit/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY constraints.txt ./
# In a layer of its own: a change of bertkit does not install torch anew.
RUN case "$TORCH" in \
      cpu) pip install --constraint constraints.txt torch \
             --index-url https://download.pytorch.org/whl/cpu ;; \
      cuda) pip install --constraint constraints.txt torch ;; \
      *) echo "TORCH is cpu or cuda, not $TORCH" >&2; exit 2 ;; \
    esac
COPY . .
RUN pip install --constraint constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/bertkit /opt/bertkit
# Compiled kernels and copies of remote files; mount a folder there to keep them.
ENV PATH=/opt/bertkit/bin:$PATH XDG_CACHE_HOME=/cache
RUN install --directory --mode 1777 /cache /work
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["bertkit"]
CMD ["--help"]
