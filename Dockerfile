# CPU only, and not as root: docker build -t twofold . && docker run --rm -v "$PWD:/work" twofold doctor
FROM python:3.13-slim
RUN useradd --create-home user && mkdir /work && chown user /work
COPY . /opt/twofold
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
        -c /opt/twofold/constraints.txt /opt/twofold
USER user
WORKDIR /work
ENTRYPOINT ["twofold"]
CMD ["--help"]
