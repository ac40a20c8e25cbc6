# The grader in a box without network, as a user without rights. TEACHING.md has the commands.
FROM python:3.11-slim
WORKDIR /course
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY genimg_utils genimg_utils
COPY data data
RUN pip install --no-cache-dir --constraint constraints.txt --editable . ipython \
    && useradd --create-home grader && mkdir /marks && chown grader /marks
USER grader
ENV OMP_NUM_THREADS=1
ENTRYPOINT ["python", "-m", "genimg_utils.grading"]
